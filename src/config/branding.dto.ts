import { ApiProperty } from '@nestjs/swagger';
import type { Branding, LogoSummary } from '../branding/index.js';

export class LogoView {
  @ApiProperty({ example: 'http://acme.localhost:8001/api/branding/logo?v=47DEQpj8HBSa-_TImW-5JC' })
  url: string;

  @ApiProperty({ enum: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'] })
  media_type: string;

  @ApiProperty({ type: 'integer', description: 'In pixels.' })
  width: number;

  @ApiProperty({ type: 'integer', description: 'In pixels.' })
  height: number;

  static of({ mediaType, width, height }: LogoSummary, url: string): LogoView {
    return { url, media_type: mediaType, width, height };
  }
}

export class BrandingView {
  @ApiProperty({ example: 'Acme Corp', description: 'A text in one line, not escaped.' })
  name: string;

  @ApiProperty({ example: '#0b57d0' })
  primary_color: string;

  @ApiProperty({ example: '#ffffff', description: 'For text on `primary_color`: black or white.' })
  on_primary_color: string;

  @ApiProperty({ example: '#d0d7de' })
  accent_color: string;

  @ApiProperty({ type: String, nullable: true, example: null })
  support_address: string | null;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Begins with https://.' })
  support_url: string | null;

  @ApiProperty({ type: LogoView, nullable: true, description: 'Null: there is none.' })
  logo: LogoView | null;

  static of(branding: Branding, logo: LogoView | null): BrandingView {
    return {
      name: branding.name,
      primary_color: branding.primaryColor,
      on_primary_color: branding.onPrimaryColor,
      accent_color: branding.accentColor,
      support_address: branding.supportAddress || null,
      support_url: branding.supportUrl || null,
      logo,
    };
  }
}
