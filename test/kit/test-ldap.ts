import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accepts, executable, freePort } from './programs.js';

/** How to provide it, for `machineHas`. */
export const LDAP_HINT = 'install slapd and openssl, or set LDAP_SERVER to the path of slapd';

/** The program: what LDAP_SERVER says, else the first on PATH or where distributions put daemons; with openssl beside it. */
export function findLdap(): string | undefined {
  const { LDAP_SERVER, PATH = '' } = process.env;
  const folders = [...PATH.split(path.delimiter), '/usr/sbin', '/usr/bin'];
  const find = (name: string) => folders.map((folder) => path.join(folder, name)).find(executable);
  return find('openssl') && (LDAP_SERVER || find('slapd'));
}

export const BASE = 'dc=acme,dc=example';
export const READER = { dn: `cn=reader,${BASE}`, password: 'the-password-of-the-reader' };

export interface LdapPerson {
  /** The relative name of the entry. */
  cn: string;
  mail: string;
  password: string;
}

/** A real OpenLDAP, which lets {@link READER} search, and everybody bind; nobody without TLS. */
export interface TestLdap {
  /** Under TLS, and with STARTTLS. */
  urls: { ldaps: string; ldap: string };
  /** The certificate that signs its own, PEM; it is of `localhost`. */
  ca: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** What it logged of each operation, newest last. */
  log(): string;
  stop(): Promise<void>;
}

const MODULES = ['/usr/lib/ldap', '/usr/lib/x86_64-linux-gnu/ldap', '/usr/lib/openldap', '/usr/lib64/openldap'];

/** @param program of {@link findLdap} */
export async function startLdap(program: string, people: LdapPerson[]): Promise<TestLdap> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-ldap-'));
  const at = (name: string): string => path.join(folder, name);
  const [plain, secure] = [await freePort(), await freePort()];
  const urls = { ldaps: `ldaps://localhost:${secure}`, ldap: `ldap://localhost:${plain}` };
  certify(at);
  await mkdir(at('data'));
  await writeFile(at('slapd.conf'), configuration(at));
  await writeFile(at('people.ldif'), ldif(people));
  execFileSync(program, ['-T', 'add', '-f', at('slapd.conf'), '-l', at('people.ldif')], { stdio: 'pipe' });

  let child: ChildProcess | undefined;
  let log = '';
  const start = async (): Promise<void> => {
    const listen = `ldap://127.0.0.1:${plain} ldaps://127.0.0.1:${secure}`;
    const started = spawn(program, ['-f', at('slapd.conf'), '-h', listen, '-d', 'stats'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    started.stderr.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
    child = started;
    for (const end = Date.now() + 20_000; !(await accepts(plain)) || !(await accepts(secure)); await sleep(20)) {
      if (started.exitCode !== null || Date.now() > end) throw new Error(`slapd did not start: ${log}`);
    }
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await exited;
  };
  await start();
  return {
    urls,
    ca: await readFile(at('ca.pem'), 'utf8'),
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    log: () => log,
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function certify(at: (name: string) => string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const key = (name: string) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at(name)];
  const of = (name: string) => ['-subj', `/CN=${name}`, '-days', '2'];
  openssl('req', '-x509', ...key('ca.key'), '-out', at('ca.pem'), ...of('Test CA'));
  openssl(
    ...['req', '-x509', ...key('server.key'), '-out', at('server.pem'), ...of('localhost')],
    ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-addext', 'subjectAltName=DNS:localhost'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  );
}

function configuration(at: (name: string) => string): string {
  return [
    ...['core', 'cosine', 'inetorgperson'].map((name) => `include /etc/ldap/schema/${name}.schema`),
    `modulepath ${MODULES.join(':')}`,
    'moduleload back_mdb',
    `pidfile ${at('slapd.pid')}`,
    `TLSCACertificateFile ${at('ca.pem')}`,
    `TLSCertificateFile ${at('server.pem')}`,
    `TLSCertificateKeyFile ${at('server.key')}`,
    'security tls=1',
    'database mdb',
    `suffix "${BASE}"`,
    `directory ${at('data')}`,
    'maxsize 10485760',
    'access to attrs=userPassword by anonymous auth by * none',
    `access to * by dn.exact="${READER.dn}" read by * none`,
    '',
  ].join('\n');
}

function ldif(people: LdapPerson[]): string {
  const entry = (lines: string[]) => lines.join('\n');
  const coded = (text: string) => Buffer.from(text).toString('base64');
  const person = ({ cn, mail, password }: LdapPerson) =>
    entry([
      // RFC 4514, section 2.4.
      `dn:: ${coded(`cn=${cn.replaceAll(/[,+"\\<>;=#]/g, '\\$&')},ou=people,${BASE}`)}`,
      'objectClass: inetOrgPerson',
      `cn:: ${coded(cn)}`,
      'sn: Person',
      `mail:: ${coded(mail)}`,
      `userPassword:: ${coded(password)}`,
    ]);
  return [
    entry([`dn: ${BASE}`, 'objectClass: dcObject', 'objectClass: organization', 'o: Acme', 'dc: acme']),
    entry([`dn: ou=people,${BASE}`, 'objectClass: organizationalUnit', 'ou: people']),
    entry([
      `dn: ${READER.dn}`,
      'objectClass: organizationalRole',
      'objectClass: simpleSecurityObject',
      'cn: reader',
      `userPassword:: ${coded(READER.password)}`,
    ]),
    ...people.map(person),
  ].join('\n\n');
}
