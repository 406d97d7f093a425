import { oneLine } from '../common/index.js';
import { settingOf } from '../settings/index.js';
import type { Tenant } from '../tenancy/index.js';
import {
  BRANDING_ACCENT_COLOR,
  BRANDING_NAME,
  BRANDING_PRIMARY_COLOR,
  BRANDING_SUPPORT_ADDRESS,
  BRANDING_SUPPORT_URL,
} from './branding.settings.js';

/** How a tenant, or the platform, looks in mails and pages. Texts are in one line and not escaped. */
export interface Branding {
  name: string;
  /** `#rrggbb`, of buttons. */
  primaryColor: string;
  /** Of text on `primaryColor`: black or white. */
  onPrimaryColor: string;
  /** Of links on white: `primaryColor`, where that can be read. */
  linkColor: string;
  /** Of lines. */
  accentColor: string;
  /** Empty: none. */
  supportAddress: string;
  /** An https URL; empty: none. */
  supportUrl: string;
}

type BrandedTenant = Pick<Tenant, 'name' | 'settings' | 'inherited'>;

/** What a text has to stand out from its ground by (WCAG 2.2, success criterion 1.4.3). */
const ENOUGH_CONTRAST = 4.5;
const BLACK = '#000000';
const WHITE = '#ffffff';

export function brandingOf(tenant: BrandedTenant): Branding {
  return {
    name: oneLine(settingOf(tenant, BRANDING_NAME)) || oneLine(tenant.name),
    ...colors(settingOf(tenant, BRANDING_PRIMARY_COLOR), settingOf(tenant, BRANDING_ACCENT_COLOR)),
    supportAddress: settingOf(tenant, BRANDING_SUPPORT_ADDRESS),
    supportUrl: settingOf(tenant, BRANDING_SUPPORT_URL),
  };
}

/** Of whoever runs the service. */
export function platformBranding(name: string): Branding {
  const given = colors(BRANDING_PRIMARY_COLOR.default, BRANDING_ACCENT_COLOR.default);
  return { name: oneLine(name), ...given, supportAddress: '', supportUrl: '' };
}

/** An address as the target of a link: nothing in it begins a subject or a second address (RFC 6068). */
export function mailtoOf(address: string): string {
  return `mailto:${encodeURIComponent(address).replace('%40', '@')}`;
}

function colors(primary: string, accent: string) {
  const [primaryColor, accentColor] = [primary.toLowerCase(), accent.toLowerCase()];
  return {
    primaryColor,
    // One of the two always has 4.5 and more.
    onPrimaryColor: contrast(primaryColor, WHITE) >= ENOUGH_CONTRAST ? WHITE : BLACK,
    linkColor: contrast(primaryColor, WHITE) >= ENOUGH_CONTRAST ? primaryColor : BLACK,
    accentColor,
  };
}

/** Ratio from 1 to 21 (WCAG 2.2, "contrast ratio"). @param one and @param other as `#rrggbb` */
export function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
