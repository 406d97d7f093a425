import { AppError } from '../../common/index.js';

/** The tenant's directory cannot be asked; why is for its admins to read. */
export class DirectoryUnavailable extends AppError {
  constructor(cause?: unknown) {
    super({
      status: 503,
      code: 'directory_unavailable',
      detail: 'The directory of this tenant, which knows your password, cannot be asked at the moment.',
      remedy: "Try again later; if it stays so, let an admin check the tenant's settings directory.*.",
      headers: { 'Retry-After': '5' },
      cause,
    });
  }
}

/** A bind with a name and no password would succeed, as anonymous (RFC 4513, section 5.1.2). */
export class BindPasswordMissing extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'bind_password_missing',
      detail: 'There is a directory.bind_dn and no directory.bind_password.',
      remedy: 'Set directory.bind_password, or leave both out.',
    });
  }
}

const OURS = new Set(['address_refused', 'bind_password_missing']);
const CERTIFICATE = /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|ERR_TLS_CERT)/;
/** As ldapts calls them. */
const BY_NAME: Record<string, string> = {
  InvalidCredentialsError: 'The directory does not accept directory.bind_dn or directory.bind_password.',
  InappropriateAuthError: 'The directory does not accept directory.bind_dn or directory.bind_password.',
  InvalidDNSyntaxError: 'directory.bind_dn or directory.base_dn is no distinguished name.',
  NoSuchObjectError: 'The directory has no entry directory.base_dn, or does not show it.',
  InsufficientAccessError: 'The directory does not let directory.bind_dn search directory.base_dn.',
  ConfidentialityRequiredError: 'The directory demands another kind of encryption.',
  TLSNotSupportedError: 'The directory does not offer STARTTLS.',
};

/** What an admin may read of an error of the directory: no secrets, nothing that a peer said. */
export function faultOf(error: unknown): string | undefined {
  if (error instanceof DirectoryUnavailable) return faultOf(error.cause);
  if (error instanceof AppError) return OURS.has(error.code) ? error.message : undefined;
  const { name, code } = error as { name?: string; code?: unknown };
  if (name !== undefined && BY_NAME[name] !== undefined) return BY_NAME[name];
  if (typeof code === 'string' && CERTIFICATE.test(code)) {
    return "The directory's certificate is not trusted for this host; see directory.ca.";
  }
  // The codes of LDAP are numbers: it answered, with an error.
  return typeof code === 'number' ? 'The directory refuses to work.' : 'The directory cannot be reached.';
}
