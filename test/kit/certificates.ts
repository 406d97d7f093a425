import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';

/** What a server under TLS is started with. */
export interface TestCertificate {
  key: string;
  cert: string;
}

/** A certificate of its own for 127.0.0.1, made by openssl, that nobody trusts yet. */
export async function makeCertificate(): Promise<TestCertificate> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-certificate-'));
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const how = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const whose = ['-subj', '/CN=peer of a test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  try {
    await promisify(execFile)('openssl', ['req', ...how, ...whose, '-keyout', key, '-out', cert]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** From now on this process trusts it, as if it were of a public authority. */
export function trust({ cert }: TestCertificate): void {
  setDefaultCACertificates([...getCACertificates('default'), cert]);
}
