import { AppError } from '../../common/index.js';

const ADDRESSES = new Set(['address_refused', 'plain_refused']);
const CREDENTIALS = new Set(['invalid_client', 'unauthorized_client']);
const UNREACHED = new Set(['OAUTH_TIMEOUT', 'OAUTH_ABORT']);
/** Of answers that a provider gives to us; those that a browser brings say nothing about it. */
const MISBEHAVED = new Set([
  'OAUTH_PARSE_ERROR',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_MISSING_SERVER_METADATA',
  'OAUTH_INVALID_SERVER_METADATA',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
]);

/**
 * What an admin may read of an error that is the provider's or the settings' fault: no secrets, nothing that a peer said.
 *
 * @returns undefined where it is somebody else's
 */
export function faultOf(error: unknown): string | undefined {
  // openid-client wraps what its fetch rejects with.
  const ours = [error, (error as { cause?: unknown }).cause].find((one) => one instanceof AppError);
  if (ours) return ADDRESSES.has(ours.code) ? ours.message : undefined;
  const { name, code, error: answered, status } = error as Record<'name' | 'code' | 'error' | 'status', unknown>;
  if (CREDENTIALS.has(String(answered)) || isOfClient(error))
    return 'The provider does not accept sso.client_id or sso.client_secret.';
  if (typeof status === 'number' && status >= 500) return 'The provider fails.';
  if (name === 'TimeoutError' || UNREACHED.has(String(code))) return 'The provider does not answer in time.';
  if (code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') return 'The provider calls itself otherwise than sso.issuer.';
  if (MISBEHAVED.has(String(code))) return 'The provider does not answer as OpenID Connect asks; is sso.issuer right?';
  // What fetch rejects with; errors of openid-client that are of this kind carry a code.
  if (error instanceof TypeError && code === undefined) return 'The provider cannot be reached.';
  return undefined;
}

/** A 401 with a challenge to the client itself, where one to its access token would be of the scheme Bearer. */
function isOfClient(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { scheme?: string }[] };
  return code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' && cause?.[0]?.scheme?.toLowerCase() !== 'bearer';
}
