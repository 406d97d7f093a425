export { OutboundFetch, type FetchBounds } from './outbound.fetch.js';
export { OutboundModule } from './outbound.module.js';
export { type CheckedAddress, OutboundPolicy, OutboundRefused, PlainRefused } from './outbound.policy.js';
