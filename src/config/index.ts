export { BrandingConfigModule } from './branding.module.js';
export * from './features.module.js';
export { ConfigModule } from './config.module.js';
