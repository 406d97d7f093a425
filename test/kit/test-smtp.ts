import type { AddressInfo } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface ReceivedMail extends Email {
  raw: string;
  envelope: { from: string; to: string[] };
  /** Over TLS or not. */
  secure: boolean;
  header(name: string): string | undefined;
}

/** What the server answers to the end of a message: undefined accepts it. */
export type Verdict = { code: number; text: string } | undefined;

export interface TestSmtp {
  port: number;
  url: string;
  mails: ReceivedMail[];
  /** How often a client came as far as naming the recipient. */
  attempts(): number;
  /** Mails to an address, in the order of their arrival. */
  to(address: string): ReceivedMail[];
  close(): Promise<void>;
}

export interface TestSmtpOptions extends SMTPServerOptions {
  port?: number;
  /** Asked for every message, after it was read. */
  judge?: (mail: ReceivedMail) => Verdict | Promise<Verdict>;
}

/** A real SMTP server on loopback that keeps what it is given. */
export async function startSmtp({ port = 0, judge, ...options }: TestSmtpOptions = {}): Promise<TestSmtp> {
  const mails: ReceivedMail[] = [];
  let attempts = 0;
  const refusal = (verdict: Verdict): Error | undefined =>
    verdict && Object.assign(new Error(verdict.text), { responseCode: verdict.code });
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    closeTimeout: 200,
    onRcptTo(_address, _session, callback) {
      attempts += 1;
      callback();
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const read = async (): Promise<void> => {
          const raw = Buffer.concat(chunks);
          const email = await PostalMime.parse(raw);
          const { mailFrom, rcptTo } = session.envelope;
          const mail: ReceivedMail = {
            ...email,
            raw: raw.toString('utf8'),
            envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) },
            secure: session.secure,
            header: (name) => email.headers.find(({ key }) => key === name.toLowerCase())?.value,
          };
          const refused = refusal(await judge?.(mail));
          if (!refused) mails.push(mail);
          callback(refused);
        };
        read().catch(callback);
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `smtp://127.0.0.1:${bound}`,
    mails,
    attempts: () => attempts,
    to: (address) => mails.filter(({ envelope }) => envelope.to.includes(address)),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
