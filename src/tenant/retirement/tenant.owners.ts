/** A person who owns a tenant. */
export interface OwnerContact {
  email: string;
  name: string;
}

/** Port: who owns the current tenant and is active. The slice that keeps the people implements it. */
export abstract class TenantOwners {
  abstract list(): Promise<OwnerContact[]>;
}
