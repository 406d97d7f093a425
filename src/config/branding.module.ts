import { Module } from '@nestjs/common';
import { BrandingController } from './branding.controller.js';
import { BrandingTables } from './branding.tables.js';

/** The HTTP face of branding, and what becomes of it when a tenant is copied. */
@Module({ controllers: [BrandingController], providers: [BrandingTables] })
export class BrandingConfigModule {}
