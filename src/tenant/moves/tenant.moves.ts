import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import type { Page } from '../../common/index.js';
import {
  hasOwnLogin,
  InjectPlatformDataSource,
  type Isolation,
  placeOf,
  PlatformCursors,
  serverOf,
} from '../../tenancy/index.js';
import { Placements } from '../places/placements.js';
import { ProvisioningStore } from '../provisioning/provisioning.store.js';
import { RestoreOpen } from '../restores/restore.errors.js';
import { RestoreStore } from '../restores/restore.store.js';
import { TenantChanges } from '../tenant.changes.js';
import { TenantStore } from '../tenant.store.js';
import type { Move, MoveStep } from './move.js';
import { AlreadyThere, MoveNotFound, MoveOver, MoveRunning, NotMovable } from './move.errors.js';
import { MovePlaces } from './move.places.js';
import { MOVES_CHANNEL, MoveStore } from './move.store.js';
import { MOVABLE, whereaboutsOf } from './move.switch.js';

export interface MoveWishes {
  isolation: Isolation;
  /** By name; where the tenant is when left out. */
  server?: string | undefined;
}

export interface MoveDetails extends Move {
  steps: MoveStep[];
}

/** What cursors are sealed with. */
const LIST = 'moves';
/** How long an erasure waits for a move to be taken back, in ms. */
const END_MS = 60_000;

/** Has tenants moved. The work itself is the MoveWorker's, so asking for it takes one short transaction. */
@Injectable()
export class TenantMoves {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: MoveStore,
    private readonly restores: RestoreStore,
    private readonly registry: TenantStore,
    private readonly provisionings: ProvisioningStore,
    private readonly placements: Placements,
    private readonly places: MovePlaces,
    private readonly changes: TenantChanges,
    private readonly feed: ChangeFeed,
    private readonly cursors: PlatformCursors,
  ) {}

  /**
   * @param name slug or UUID
   * @throws UnknownTenant, NotMovable, MoveRunning, RestoreOpen, AlreadyThere; UnknownServer, DatabasesUnavailable
   */
  async begin(name: string, wishes: MoveWishes): Promise<MoveDetails> {
    const move = await this.platform.transaction((manager) => this.beginWithin(manager, name, wishes));
    this.feed.emit(MOVES_CHANNEL, undefined);
    return move;
  }

  /** The same inside the caller's transaction on the control plane. */
  async beginWithin(manager: EntityManager, name: string, { isolation, server }: MoveWishes): Promise<MoveDetails> {
    const { id } = await this.registry.find(name, manager);
    const tenant = await this.registry.lock(manager, id);
    const { status, plan, placement: source } = tenant;
    if (!MOVABLE.includes(status)) throw new NotMovable(status);
    if (await this.store.running(id, manager)) throw new MoveRunning();
    if (await this.restores.open(id, manager)) throw new RestoreOpen();
    const provisioning = await this.provisionings.outcomeOf(manager, id);
    if (provisioning === 'running' || provisioning === 'undoing') throw new NotMovable(status, 'being reset');
    const to = server ?? serverOf(source);
    if (isolation === source.kind && to === serverOf(source)) throw new AlreadyThere(isolation, to);
    // Of a schema that has a login role of its own the next one has one, too.
    const login = isolation === 'schema' && source.kind === 'schema' && hasOwnLogin(source);
    const target = await this.placements.allocate(manager, id, { plan, isolation, server: to, login });
    await this.places.reserve(manager, target);
    const move = await this.store.plan(manager, id, source, target);
    await this.changes.record(manager, tenant, {
      event: 'tenant.move_started',
      before: whereaboutsOf(source),
      after: whereaboutsOf(target),
      details: { move: move.id },
    });
    return { ...move, steps: (await this.store.steps([move.id], manager)).get(move.id) ?? [] };
  }

  /** Newest first. @throws UnknownTenant, CursorInvalid */
  async list(name: string, limit: number, cursor?: string): Promise<Page<MoveDetails>> {
    const { id } = await this.registry.find(name);
    const moves = await this.store.list(id, limit + 1, this.cursors.open(LIST, cursor, id));
    const page = this.cursors.page(LIST, moves, limit, (move) => move.id, id);
    const steps = await this.store.steps(page.items.map((move) => move.id));
    return { ...page, items: page.items.map((move) => ({ ...move, steps: steps.get(move.id) ?? [] })) };
  }

  /** The one under way, or else the last one. @throws UnknownTenant, MoveNotFound */
  async present(name: string): Promise<MoveDetails> {
    const [move] = (await this.list(name, 1)).items;
    if (!move) throw new MoveNotFound();
    return move;
  }

  /**
   * Has the move under way taken back, as long as the tenant has not left its place.
   *
   * @throws UnknownTenant; MoveOver when there is none, or it is too late
   */
  async abort(name: string): Promise<MoveDetails> {
    const { id } = await this.registry.find(name);
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, id);
      const move = await this.store.running(id, manager);
      if (!move || move.switchedAt !== null)
        throw new MoveOver(placeOf(tenant.placement) === (move && placeOf(move.target)));
      if (move.abortRequestedAt !== null || move.state === 'undoing') return;
      await this.store.requestAbort(manager, move.id);
      await this.changes.record(manager, tenant, {
        event: 'tenant.move_abort_requested',
        details: { move: move.id },
      });
    });
    this.feed.emit(MOVES_CHANNEL, undefined);
    return this.present(id);
  }

  /**
   * For who is about to erase the tenant: takes back a move that is under way, or lets it come to its end when the tenant has
   * left its place.
   *
   * @throws Error when that takes too long
   */
  async end(tenantId: string): Promise<void> {
    const running = await this.store.running(tenantId);
    if (!running) return;
    await this.platform.transaction((manager) => this.store.requestAbort(manager, running.id));
    this.feed.emit(MOVES_CHANNEL, undefined);
    const deadline = performance.now() + END_MS;
    while (await this.store.running(tenantId)) {
      if (performance.now() > deadline) throw new Error('The move of the tenant has not ended.');
      await sleep(100);
    }
  }
}
