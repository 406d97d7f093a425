/** NOTIFY channel of changes to tenants: slugs separated by commas, or nothing for "any". */
export const CHANNEL = 'tenantry_tenants';
