import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ArchiveRules } from './archive.rules.js';

/** Of the tables that belong to no slice above. */
@Injectable()
export class OwnArchiveRules implements OnModuleInit {
  constructor(private readonly rules: ArchiveRules) {}

  onModuleInit(): void {
    this.rules.register('idempotency_keys', {
      leftOut: 'answers to the clients of this service, under keys of theirs',
    });
    this.rules.register('outbox_events', { leftOut: 'would be done a second time' });
    this.rules.register('provisioning_marks', { leftOut: 'says how far the making of the tenant is' });
    this.rules.register('audit_events', {
      restored: 'stay',
      // Admins of the platform, requests and machines are no rows of the tenant.
      foreignIds: (value) => [
        'request_id',
        'impersonator_id',
        ...(['platform-admin', 'system'].includes(value('actor_kind') ?? '') ? ['actor_id'] : []),
      ],
    });
  }
}
