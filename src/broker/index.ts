export { BrokerModule } from './broker.module.js';
export { BROKER_URL } from './broker.settings.js';
export { TenantBroker } from './tenant.broker.js';
