import { Global, Module } from '@nestjs/common';
import { BrandLogos } from './brand.logos.js';

@Global()
@Module({ providers: [BrandLogos], exports: [BrandLogos] })
export class BrandingModule {}
