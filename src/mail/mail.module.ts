import { Global, Module } from '@nestjs/common';
import { MailLinks } from './mail.links.js';
import { MailMetrics } from './mail.metrics.js';
import { MailPost } from './mail.post.js';
import { MailRenderer } from './mail.renderer.js';
import { Mailer } from './mailer.service.js';
import { TenantMailServers } from './tenant-mail.servers.js';
import { WrittenMails } from './written.mails.js';

@Global()
@Module({
  providers: [MailMetrics, MailRenderer, TenantMailServers, MailPost, MailLinks, Mailer, WrittenMails],
  exports: [Mailer, MailLinks, WrittenMails],
})
export class MailModule {}
