export const ACTOR_KINDS = ['user', 'api-key', 'visitor', 'platform-admin', 'system'] as const;
/** What kind of somebody acts. */
export type ActorKind = (typeof ACTOR_KINDS)[number];

/** Who acts in a scope, once the guard has checked the credential. */
export interface Actor {
  readonly kind: ActorKind;
  readonly id?: string;
  readonly name?: string;
  /** The platform admin behind an impersonated user. */
  readonly impersonator?: { readonly id: string; readonly name: string };
}
