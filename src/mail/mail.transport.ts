import { mkdir, open, rename, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import path from 'node:path';
import { createTransport } from 'nodemailer';
import type { Env } from '../env/index.js';
import { OutboxFailure } from '../outbox/index.js';

/** A picture that goes along with a mail and that its HTML shows. */
export interface EmbeddedPicture {
  /** Its name within the mail (RFC 2392). */
  cid: string;
  /** As a file. */
  name: string;
  mediaType: string;
  content: Buffer;
  /** In pixels. */
  width: number;
  height: number;
}

/** A mail ready to go. Addresses and names travel apart, so that no name is ever parsed as an address. */
export interface OutgoingMail {
  /** The same at every attempt: Message-ID, and name of the file, come from it. */
  id: string;
  /** Whose it is; undefined for the platform's. */
  tenantId: string | undefined;
  template: string;
  from: { name: string; address: string };
  to: { name: string; address: string };
  subject: string;
  text: string;
  html: string;
  logo?: EmbeddedPicture | undefined;
  /** The link of its button, for the demo's log. */
  link: string | undefined;
}

/** In files alone, so that those of a tenant can be erased with it. */
export const TENANT_HEADER = 'X-Tenantry-Tenant';

export function mailFolder({ dataDir }: Pick<Env, 'dataDir'>): string {
  return path.join(dataDir, 'mail');
}

/** Where mail leaves the process. */
export interface MailTransport {
  /** @throws OutboxFailure whose reason holds no address */
  deliver(mail: OutgoingMail, signal: AbortSignal): Promise<void>;
  close(): void;
}

const CONNECTIONS = 4;
const COMMON = { disableFileAccess: true, disableUrlAccess: true } as const;

function message(mail: OutgoingMail) {
  const domain = mail.from.address.slice(mail.from.address.indexOf('@') + 1);
  return {
    messageId: `<${mail.id}@${domain}>`,
    from: mail.from,
    to: mail.to,
    envelope: { from: mail.from.address, to: [mail.to.address] },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    ...(mail.logo && { attachments: [embedded(mail.logo)] }),
    // RFC 3834: keeps holiday notices from answering.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
  };
}

function embedded({ cid, name, mediaType, content }: EmbeddedPicture) {
  return { cid, filename: name, contentType: mediaType, contentDisposition: 'inline' as const, content };
}

/** How an SMTP server is spoken to. */
export interface SmtpOptions {
  host: string;
  port: number | undefined;
  /** `tls` from the first byte; `starttls` or nothing; `offered`: TLS where the server offers it; `plain`: none. */
  security: 'tls' | 'starttls' | 'offered' | 'plain';
  /** False where the certificate of the server may be anybody's. */
  trusted: boolean;
  auth: { user: string; pass: string } | undefined;
  connections: number;
  /** In ms: until connected and greeted, and of silence after that. */
  timeouts: { connect: number; silence: number };
  /** Makes the connection; left out: to whatever address the name has. */
  connect?: () => Promise<Socket>;
}

/** The server of SMTP_URL, under TLS wherever it is off this machine. */
export function smtpOptionsOf(smtpUrl: string): SmtpOptions {
  const url = new URL(smtpUrl);
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // Certificates of servers on this machine are their own; nobody is in between.
  const trusted = !isLoopback(host);
  return {
    host,
    port: url.port ? Number(url.port) : undefined,
    security: secure ? 'tls' : trusted ? 'starttls' : 'offered',
    trusted,
    auth: url.username ? { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } : undefined,
    connections: CONNECTIONS,
    timeouts: { connect: 10_000, silence: 30_000 },
  };
}

/** Hands mail to an SMTP server over pooled connections. */
export class SmtpTransport implements MailTransport {
  private readonly mailer;

  constructor({ host, port, security, trusted, auth, connections, timeouts, connect }: SmtpOptions) {
    this.mailer = createTransport({
      ...COMMON,
      pool: true,
      host,
      port,
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'plain',
      tls: { minVersion: 'TLSv1.2', rejectUnauthorized: trusted },
      auth,
      maxConnections: connections,
      // The outbox tries again, and it alone: two layers of retries would send twice.
      maxRequeues: 0,
      dnsTimeout: timeouts.connect,
      connectionTimeout: timeouts.connect,
      greetingTimeout: timeouts.connect,
      socketTimeout: timeouts.silence,
      ...(connect && {
        getSocket: (_options: unknown, callback: (error: Error | null, socket?: { connection: Socket }) => void) => {
          connect().then(
            (connection) => callback(null, { connection }),
            (error: Error) => callback(error),
          );
        },
      }),
    });
  }

  async deliver(mail: OutgoingMail, signal: AbortSignal): Promise<void> {
    try {
      await this.mailer.sendMail({ ...message(mail), signal });
    } catch (error) {
      const { code, responseCode, command } = error as { code?: string; responseCode?: number; command?: string };
      // Of what the server said only the number is kept: its text quotes the recipient.
      const reason = ['smtp', code, responseCode].filter((part) => part !== undefined).join(' ');
      // A sender that is refused is a fault of the settings, and they can be repaired.
      const aboutThisMail = code === 'EMESSAGE' || (code === 'EENVELOPE' && command !== 'MAIL FROM');
      throw new OutboxFailure(reason, aboutThisMail && (responseCode ?? 0) >= 500, { cause: error });
    }
  }

  /** Connects and signs in. @throws Error of nodemailer, or of `connect` */
  async verify(): Promise<void> {
    await this.mailer.verify();
  }

  close(): void {
    this.mailer.close();
  }
}

/** Writes each mail to a file of its own, for development and for machines without a mail server. */
export class FileTransport implements MailTransport {
  private readonly composer = createTransport({ ...COMMON, streamTransport: true, buffer: true, newline: 'windows' });
  private readonly folder: string;

  constructor(
    env: Pick<Env, 'dataDir'>,
    private readonly onWritten: (mail: OutgoingMail, file: string) => void,
  ) {
    this.folder = mailFolder(env);
  }

  async deliver(mail: OutgoingMail): Promise<void> {
    const plain = message(mail);
    const headers = { ...(mail.tenantId !== undefined && { [TENANT_HEADER]: mail.tenantId }), ...plain.headers };
    const { message: content } = await this.composer.sendMail({ ...plain, headers });
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const file = path.join(this.folder, `${mail.id}-${mail.template}.eml`);
    const temporary = `${file}.tmp`;
    await rm(temporary, { force: true });
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content as Buffer);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    this.onWritten(mail, file);
  }

  close(): void {
    // Nothing stays open between mails.
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
