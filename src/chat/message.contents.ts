import { createHmac, hkdfSync } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { newId, NONCE_BYTES, seal, SEALED_BYTES, unseal } from '../common/index.js';
import { KeyUnreadable, TenantKeys } from '../secrets/index.js';
import { settingOf } from '../settings/index.js';
import { type Tenant, TenantContext, TenantDirectory } from '../tenancy/index.js';
import { ArchiveRules } from '../tenant/index.js';
import { CHAT_ENCRYPTED } from './chat.settings.js';

/** Begins what is not stored as it is: sealed content, and content that begins like it. */
const MARK = '\u0001';
const SEALED = `${MARK}s`;
const ESCAPED = `${MARK}${MARK}`;

/** A message as far as it is stored sealed. */
export interface StoredMessage {
  id: string;
  content: string;
}

/**
 * Seals what is said for tenants that have `chat.encrypted`, and opens it. Sealed content opens under the key of its tenant,
 * as that of its own message. Changing the setting leaves the messages there are as they are.
 */
@Injectable()
export class MessageContents implements OnModuleInit {
  constructor(
    private readonly keys: TenantKeys,
    private readonly context: TenantContext,
    private readonly tenants: TenantDirectory,
    private readonly rules: ArchiveRules,
  ) {}

  onModuleInit(): void {
    this.rules.register('chat_messages', {
      texts: {
        content: {
          mark: MARK,
          opener: (tenantId) => this.openerOf(tenantId),
          sealer: async (tenantId) => {
            const current = this.context.current();
            const tenant = current?.id === tenantId ? current : await this.tenants.findById(tenantId);
            return this.sealerOf(tenant);
          },
        },
      },
    });
  }

  /**
   * A new message of the current tenant, as it is to be stored. To be asked outside a transaction: it may make a key.
   *
   * @param id of the message; a new one unless given
   */
  async stored(content: string, id = newId()): Promise<StoredMessage> {
    const seal = await this.sealerOf(this.context.currentOrThrow('A message'));
    return { id, content: seal(id, content) };
  }

  /**
   * Opens the messages of the current tenant that are sealed, in place.
   *
   * @throws KeyUnreadable
   */
  async opened<Message extends StoredMessage>(messages: Message[]): Promise<Message[]> {
    if (!messages.some(({ content }) => content.startsWith(MARK))) return messages;
    const open = await this.openerOf(this.context.currentOrThrow('A message').id);
    for (const message of messages) message.content = open(message.id, message.content);
    return messages;
  }

  /** The key is kept in memory: there is not one query for each message. */
  private async sealerOf(tenant: Tenant | undefined): Promise<(id: string, content: string) => string> {
    if (!tenant || !settingOf(tenant, CHAT_ENCRYPTED)) {
      return (_, content) => (content.startsWith(MARK) ? `${MARK}${content}` : content);
    }
    const key = await this.keys.findOrCreate(tenant.id);
    return (id, content) => `${SEALED}${sealed(key, about(tenant.id, id), content).toString('base64url')}`;
  }

  private async openerOf(tenantId: string): Promise<(id: string, content: string) => string> {
    const key = await this.keys.find(tenantId);
    return (id, content) => {
      if (content.startsWith(ESCAPED)) return content.slice(MARK.length);
      const bytes = content.startsWith(SEALED) ? sealedBytes(content.slice(SEALED.length)) : undefined;
      if (!bytes) return content;
      if (!key) throw new KeyUnreadable(`the key that sealed the message ${id} of ${tenantId} is gone`);
      return this.open(key, tenantId, id, bytes);
    };
  }

  private open(key: Buffer, tenantId: string, id: string, bytes: Buffer): string {
    try {
      return unseal(key, bytes, about(tenantId, id)).toString('utf8');
    } catch (error) {
      throw new KeyUnreadable(`the message ${id} was changed, or sealed under another key`, error);
    }
  }
}

/**
 * What was sealed. A text that somebody wrote before there was a mark is stored as it is, and may begin like one: it is
 * none of ours where it is no base64url of enough bytes. Those written since are escaped, so no client can make one.
 */
function sealedBytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length >= SEALED_BYTES && bytes.toString('base64url') === text ? bytes : undefined;
}

/** The nonce follows from what is sealed (as in RFC 5297): a message that comes back from a backup is the same bytes. */
function sealed(key: Buffer, about: string, content: string): Buffer {
  const nonces = Buffer.from(hkdfSync('sha256', key, 'tenantry', 'chat-nonces', 32));
  const nonce = createHmac('sha256', nonces).update(about).update('\n').update(content).digest();
  return seal(key, content, about, nonce.subarray(0, NONCE_BYTES));
}

function about(tenantId: string, id: string): string {
  return `chat:${tenantId}:${id}`;
}
