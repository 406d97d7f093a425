import { Injectable } from '@nestjs/common';
import { checkPassword, EmailDirectory, emailKey, PasswordHasher } from '../auth/index.js';
import { newId, ValidationFailed } from '../common/index.js';
import { CredentialCodec, NO_TENANT, TenantContext } from '../tenancy/index.js';
import { checkSlug, SlugHolds, SlugTaken } from '../tenant/index.js';
import { SignupInvites } from './invites/signup-invites.js';
import { TooManySignups } from './signup.errors.js';
import { type SignupLink, SignupMails } from './signup.mails.js';
import { SignupPolicy } from './signup.policy.js';
import { SignupStore } from './signup.store.js';
import { SlugSuggestions } from './slug.suggestions.js';

const HOLD_MS = 60 * 60 * 1000;
/** Sign-ups that may wait for their mail at once: of all, and of one address. */
const MOST_OPEN = 10_000;
const MOST_OF_ADDRESS = 5;
/** Mails of sign-ups to one person in a quarter of an hour. */
const MOST_MAILS = 3;
/** Links in one mail: the newest. Any other can be asked for by its slug. */
const MOST_LINKS = 20;

/** What a customer sends. */
export interface SignupInput {
  company: string;
  slug: string;
  email: string;
  password: string;
  name?: string;
  plan?: string;
  invite?: string;
}

/** Takes sign-ups: holds the slug and has the link sent. What comes of it is SignupConfirmation's. */
@Injectable()
export class SignupService {
  constructor(
    private readonly store: SignupStore,
    private readonly policy: SignupPolicy,
    private readonly invites: SignupInvites,
    private readonly holds: SlugHolds,
    private readonly suggestions: SlugSuggestions,
    private readonly hasher: PasswordHasher,
    private readonly directory: EmailDirectory,
    private readonly credentials: CredentialCodec,
    private readonly mails: SignupMails,
    private readonly context: TenantContext,
  ) {}

  /**
   * Answers alike whether the mail address is known or not, and does the same work for it.
   *
   * @throws SignupClosed, InviteRefused, SlugTaken with suggestions, TooManySignups, SignInBusy
   * @throws ValidationFailed for slug, plan or password
   */
  async request(input: SignupInput): Promise<void> {
    const company = input.company.trim();
    const email = input.email.trim();
    this.policy.demand(input.invite);
    checkSlug(input.slug);
    const owner = { email, tenantName: company, ...(input.name !== undefined && { name: input.name }) };
    const problems = checkPassword(input.password, owner);
    if (problems.length > 0) throw new ValidationFailed(problems);
    // Before the work of the password, so that asking for slugs is cheap; what counts is looked at again below.
    const invited = input.invite === undefined ? undefined : await this.invites.find(input.invite);
    const plan = this.policy.plan(input.plan, invited?.plan ?? undefined);
    if ((await this.holds.freeOf([input.slug], 1)).length === 0) throw await this.taken(input.slug, company);
    const passwordHash = await this.hasher.hash(input.password);
    const id = newId();
    const token = this.credentials.mint('signup', NO_TENANT, id);
    const emailHmac = this.directory.hmac(emailKey(email));
    const address = this.context.address();
    try {
      const { expiresAt, mailed } = await this.store.transaction(async (manager) => {
        await this.store.lock(manager);
        const open = await this.store.open(manager, address, MOST_OPEN);
        if (open.address >= MOST_OF_ADDRESS) throw new TooManySignups('address', HOLD_MS / 1000);
        if (open.all >= MOST_OPEN) throw new TooManySignups('all', 300);
        const expiresAt = await this.holds.hold(manager, input.slug, id, HOLD_MS);
        const invite = input.invite === undefined ? undefined : await this.invites.take(manager, input.invite);
        // Past the limit nothing is sent, and nothing else is different: who may be written to is not told.
        const mailed = (await this.store.mailsTo(manager, emailHmac)) < MOST_MAILS;
        await this.store.insert(manager, {
          id,
          slug: input.slug,
          plan,
          inviteId: invite?.id,
          emailHmac,
          address,
          request: { email, company, passwordHash, ...(input.name !== undefined && { name: input.name.trim() }) },
          tokenHash: this.credentials.hash(token),
          expiresAt,
          mailed,
        });
        return { expiresAt, mailed };
      });
      this.mails.later(() =>
        Promise.resolve(mailed ? { email, links: [{ slug: input.slug, token, expiresAt }] } : undefined),
      );
    } catch (error) {
      throw error instanceof SlugTaken ? await this.taken(input.slug, company) : error;
    }
  }

  /**
   * Has the links of a person's sign-ups mailed again, new ones in place of those before: all that wait, since anybody may
   * have signed up with the address and no other of them may stand in for the one that was meant.
   *
   * @param slug of the one that is meant, if it is known
   */
  resend(email: string, slug: string | undefined): void {
    this.mails.later(() =>
      this.store.transaction(async (manager) => {
        const emailHmac = this.directory.hmac(emailKey(email));
        await this.store.lock(manager);
        const waiting = await this.store.waitingOf(manager, emailHmac, slug, MOST_LINKS);
        const [newest] = waiting;
        if (!newest || (await this.store.mailsTo(manager, emailHmac)) >= MOST_MAILS) return undefined;
        const links: SignupLink[] = [];
        for (const { id, slug: name, expires_at: expiresAt } of waiting) {
          const token = this.credentials.mint('signup', NO_TENANT, id);
          const mails = id === newest.id ? 1 : 0;
          if (!(await this.store.remint(manager, id, this.credentials.hash(token), mails))) continue;
          links.push({ slug: name, token, expiresAt });
        }
        return { email: this.store.requestOf(newest).email, links };
      }),
    );
  }

  private async taken(slug: string, company: string): Promise<SlugTaken> {
    return new SlugTaken(slug, await this.suggestions.for(slug, company));
  }
}
