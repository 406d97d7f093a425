export { OutboundFetch, type FetchBounds } from './outbound.fetch.js';
export { OutboundModule } from './outbound.module.js';
export { type CheckedAddress, OutboundPolicy, OutboundRefused } from './outbound.policy.js';
