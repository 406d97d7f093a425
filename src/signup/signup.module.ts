import { Module } from '@nestjs/common';
import { SignupInvitesController } from './invites/signup-invites.controller.js';
import { SignupInvites } from './invites/signup-invites.js';
import { SignupConfirmation } from './signup.confirmation.js';
import { SignupController } from './signup.controller.js';
import { SignupMails } from './signup.mails.js';
import { SignupPolicy } from './signup.policy.js';
import { SignupPurge } from './signup.purge.js';
import { SignupService } from './signup.service.js';
import { SignupStore } from './signup.store.js';
import { SignupTenants } from './signup.tenants.js';
import { SlugSuggestions } from './slug.suggestions.js';

/** Customers who make their tenant themselves. */
@Module({
  controllers: [SignupController, SignupInvitesController],
  providers: [
    SignupConfirmation,
    SignupInvites,
    SignupMails,
    SignupPolicy,
    SignupPurge,
    SignupService,
    SignupStore,
    SignupTenants,
    SlugSuggestions,
  ],
})
export class SignupModule {}
