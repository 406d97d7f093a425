/** NOTIFY channel of changes to whose a domain is: domains separated by commas, or nothing for "any". */
export const DOMAINS_CHANNEL = 'tenantry_domains';
