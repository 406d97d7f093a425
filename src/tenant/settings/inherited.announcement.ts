import type { EntityManager } from 'typeorm';
import { afterCommit, type ChangeFeed } from '../../changes/index.js';
import { announce, CHANNEL } from '../tenant.channel.js';

/** Tells every process, when the transaction commits, that what any tenant inherits may be another. */
export async function announceInherited(manager: EntityManager, feed: ChangeFeed): Promise<void> {
  await announce(manager, []);
  afterCommit(manager, () => feed.emit(CHANNEL, undefined));
}
