export { brandPage, PAGE_POLICY } from './brand.page.js';
export { BrandLogo } from './brand-logo.entity.js';
export { BrandLogos, type LogoSummary } from './brand.logos.js';
export { type Branding, brandingOf, mailtoOf, platformBranding } from './branding.js';
export { LogoTooLarge, NoLogo } from './branding.errors.js';
export { BrandingModule } from './branding.module.js';
export { BRANDING_NAME } from './branding.settings.js';
export { LOGO_TYPES, MAX_LOGO_BYTES } from './image.js';
