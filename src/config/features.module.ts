import { Module } from '@nestjs/common';
import { FeaturesController } from './features.controller.js';

/** The HTTP face of features. */
@Module({ controllers: [FeaturesController] })
export class FeaturesConfigModule {}
