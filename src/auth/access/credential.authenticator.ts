import { Injectable } from '@nestjs/common';
import { AuditService } from '../../audit/index.js';
import { redactPath } from '../../logs/index.js';
import { type Actor, CredentialCodec, TenantContext, UnknownTenant } from '../../tenancy/index.js';
import { ApiKeyStates } from '../api-keys/api-key-states.js';
import { API_KEY_PREFIX, decodeApiKey } from '../api-keys/api-key.format.js';
import { CredentialInvalid } from '../auth.errors.js';
import { Impersonations } from '../platform/impersonations.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import type { AccessClaims } from '../tokens/token.claims.js';
import { type UserState, UserStates } from '../users/user-states.js';
import { permissionNamed } from './permissions.js';
import type { AccessRequest, TenantPrincipal } from './principal.js';

/** By then every process has heard of a sign-in, or believes nothing that it knew. */
const HEARD_AFTER_SECONDS = 60;

/**
 * Turns the bearer credential of a request, access token or API key, into a principal of the resolved tenant. In this
 * order: the credential is valid, it is of this tenant, its user or key is there and in force.
 */
@Injectable()
export class CredentialAuthenticator {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly users: UserStates,
    private readonly apiKeys: ApiKeyStates,
    private readonly impersonations: Impersonations,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly audit: AuditService,
  ) {}

  /** @throws CredentialInvalid; UnknownTenant when the credential is another tenant's, which is audited */
  async authenticate(request: AccessRequest, credential: string): Promise<TenantPrincipal> {
    return credential.startsWith(API_KEY_PREFIX)
      ? this.byApiKey(request, credential)
      : this.byToken(request, credential);
  }

  private async byToken(request: AccessRequest, token: string): Promise<TenantPrincipal> {
    const claims = await this.tokens.verify('tenant', token);
    if (!claims?.tid) throw new CredentialInvalid();
    const impersonator = claims.act && { id: claims.act.sub, name: claims.act.name };
    this.refuseForeign(request, claims.tid, { kind: 'user', id: claims.sub, ...(impersonator && { impersonator }) });
    const known = await this.users.find(claims.sub);
    const user = isInForce(known, claims) || !isNew(claims) ? known : await this.users.findAnew(claims.sub);
    if (!isInForce(user, claims)) throw new CredentialInvalid();
    const base = { kind: 'user', id: user.id, tenantId: claims.tid, name: user.name, role: user.role } as const;
    if (claims.act) return this.impersonated(base, claims, user.permissions);
    return { ...base, permissions: user.permissions, deviceId: claims.did };
  }

  private async impersonated(
    base: Pick<TenantPrincipal, 'kind' | 'id' | 'tenantId' | 'name' | 'role'>,
    claims: AccessClaims,
    permissions: ReadonlySet<string>,
  ): Promise<TenantPrincipal> {
    if (!claims.act || !(await this.impersonations.inForce(claims.did))) throw new CredentialInvalid();
    const allowed = [...permissions].filter((name) => !permissionNamed(name)?.sensitive);
    return {
      ...base,
      permissions: new Set(allowed),
      deviceId: claims.did,
      impersonator: { id: claims.act.sub, name: claims.act.name },
    };
  }

  private async byApiKey(request: AccessRequest, text: string): Promise<TenantPrincipal> {
    const bytes = decodeApiKey(text);
    const opened = bytes && this.credentials.openBytes('api-key', bytes);
    if (!opened) throw new CredentialInvalid();
    this.refuseForeign(request, opened.tenantId, { kind: 'api-key', id: opened.subjectId });
    const key = await this.apiKeys.find(opened.subjectId);
    if (!key || !this.apiKeys.admits(key, text, request.ip)) throw new CredentialInvalid();
    this.apiKeys.noteUse(key, request.ip);
    const { id, name, permissions } = key;
    return { kind: 'api-key', id, tenantId: opened.tenantId, name, permissions };
  }

  /** The same answer as for a tenant that does not exist; the record goes to the platform and the credential's tenant. */
  private refuseForeign(request: AccessRequest, owner: string, actor: Actor & { id: string }): void {
    const tenant = this.context.currentOrThrow('A credential');
    if (owner === tenant.id) return;
    this.audit.record({
      event: 'cross_tenant_access_attempt',
      tenantId: owner,
      address: request.ip,
      actor,
      details: { target: tenant.slug, route: redactPath(request.path), method: request.method, user: actor.id },
    });
    throw new UnknownTenant();
  }
}

/** The device of an impersonation is none of the user's; that is looked up by itself. */
function isInForce(user: UserState | undefined, { rv, did, act }: AccessClaims): user is UserState {
  return user?.active === true && user.tokenVersion === rv && (act !== undefined || user.devices.has(did));
}

/** Of the sign-in that it comes from, this process may not have heard yet. */
function isNew({ iat }: AccessClaims): boolean {
  return Date.now() / 1000 - iat < HEARD_AFTER_SECONDS;
}
