import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../audit/index.js';
import { type CacheNamespace, TenantCache } from '../cache/index.js';
import { newId } from '../common/index.js';
import { InjectTenantRepository, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import { BrandLogo } from './brand-logo.entity.js';
import { LogoRefused, LogoTooLarge } from './branding.errors.js';
import { LOGO_TYPES, MAX_LOGO_BYTES, MAX_LOGO_SIDE, sizeOf } from './image.js';

/** A logo without its content. */
export type LogoSummary = Pick<BrandLogo, 'mediaType' | 'tag' | 'width' | 'height'>;

/** How old what pages show may be elsewhere, in ms: answers about it are kept by browsers for as long. */
const SHOWN_MS = 60_000;
const NEWEST = { createdAt: 'DESC', id: 'DESC' } as const;

/** The logo of the current tenant. */
@Injectable()
export class BrandLogos {
  private readonly kept: CacheNamespace;

  constructor(
    @InjectTenantRepository(BrandLogo) private readonly logos: TenantRepository<BrandLogo>,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    cache: TenantCache,
  ) {
    this.kept = cache.of('branding');
  }

  find(): Promise<BrandLogo | null> {
    return this.logos.findOne({ order: NEWEST });
  }

  /** For whoever looks at a page of the tenant: may be a minute old. */
  shown(): Promise<LogoSummary | null> {
    return this.kept.wrap('logo', SHOWN_MS, () => this.summary());
  }

  summary(): Promise<LogoSummary | null> {
    const select = { id: true, tenantId: true, mediaType: true, tag: true, width: true, height: true } as const;
    return this.logos.findOne({ select, order: NEWEST });
  }

  /**
   * Puts a picture in the place of the one there may be. What it is, its bytes tell, and not its sender.
   *
   * @throws LogoTooLarge, LogoRefused
   */
  async set(content: Buffer): Promise<LogoSummary> {
    if (content.length > MAX_LOGO_BYTES) throw new LogoTooLarge();
    const { mediaType, width, height } = await looked(content);
    const tag = createHash('sha256').update(content).digest('base64url').slice(0, 22);
    const logo = { id: newId(), mediaType, content, tag, width, height, createdAt: new Date() };
    await this.transaction.run(async () => {
      await this.logos.delete({});
      await this.logos.insert(logo);
      await this.record('branding.logo_set', { media_type: mediaType, bytes: content.length, width, height });
    });
    await this.kept.delete('logo');
    return logo;
  }

  /** @returns whether there was one */
  async remove(): Promise<boolean> {
    const removed = await this.transaction.run(async () => {
      if ((await this.logos.delete({})) === 0) return false;
      await this.record('branding.logo_removed');
      return true;
    });
    await this.kept.delete('logo');
    return removed;
  }

  private record(event: string, details?: Record<string, unknown>): Promise<void> {
    return this.audit.record({ event, target: { kind: 'branding', id: 'logo' }, ...(details && { details }) });
  }
}

/** @throws LogoRefused */
async function looked(content: Buffer) {
  if (content.length === 0) throw new LogoRefused('There is no picture in the body.');
  const { fileTypeFromBuffer } = await import('file-type');
  const type = await fileTypeFromBuffer(content).catch(() => undefined);
  if (!type || !Object.hasOwn(LOGO_TYPES, type.mime))
    throw new LogoRefused('This is no picture of a kind that is taken.');
  const size = sizeOf(type.mime, content);
  if (!size) throw new LogoRefused('The picture is damaged: it does not say how large it is.');
  if (Math.max(size.width, size.height) > MAX_LOGO_SIDE) {
    throw new LogoRefused(`The picture has ${size.width} by ${size.height} pixels.`);
  }
  return { mediaType: type.mime, ...size };
}
