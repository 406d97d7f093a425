import { Module } from '@nestjs/common';
import { SandboxStore } from './sandbox.store.js';
import { SandboxesController } from './sandboxes.controller.js';
import { SandboxesService } from './sandboxes.service.js';

/** Copies that a tenant makes of itself, to try things out in or to train people. */
@Module({ controllers: [SandboxesController], providers: [SandboxStore, SandboxesService] })
export class SandboxesModule {}
