/** Where a request may carry a credential of its own. */
export interface CredentialSignals {
  /** The Authorization header. */
  authorization: string | undefined;
  /** In the body of the routes that trade one. */
  refreshToken: string | undefined;
}

type TenantId = string | undefined;

/**
 * Port: reads which tenant an authentic credential was made for; undefined for whatever does not prove itself. The auth
 * slice implements it. Whether the credential is still in force is the guard's question.
 */
export abstract class CredentialReader {
  /** Of an access token or refresh token. */
  abstract tenantOfToken(signals: CredentialSignals): TenantId | Promise<TenantId>;
  abstract tenantOfApiKey(signals: CredentialSignals): TenantId | Promise<TenantId>;
}
