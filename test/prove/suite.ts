import { type Leak, Prober } from './prober.js';
import { type Probe, Probes } from './probes.js';
import { scenarios } from './scenarios.js';
import { changed, fingerprints, Sinks } from './sinks.js';
import { learnIds, TENANTS, type World } from './world.js';
import type { Operation } from './operations.js';
import type { Actor } from './actors.js';

export interface Extent {
  /** Of the probes, 0 to 1, chosen by the seed. */
  share: number;
  /** Whether what actors may write is written as well. After that the world is another. */
  writes: boolean;
  /** Which routes; all when left out. */
  only?: (operation: Operation) => boolean;
  /** Which actors; all when left out. */
  actors?: (actor: Actor) => boolean;
}

export interface Result {
  probes: number;
  leaks: Leak[];
  /** Operations that let somebody in, of all that were asked. */
  entered: string[];
  refusedAll: string[];
  ms: number;
}

/** Sends everything that may change nothing, then what may, and looks into every sink. */
export async function prove(
  world: World,
  { share, writes, only = () => true, actors = () => true }: Extent,
): Promise<Result> {
  const since = performance.now();
  const prober = new Prober(world);
  const sinks = await Sinks.listen(world);
  const probes = new Probes(world);
  const who = world.actors.filter(actors);
  const what = world.operations.filter((operation) => world.subject.proves(operation) && only(operation));
  try {
    const made: Probe[] = [];
    let turn = 0;
    for (const operation of what) {
      for (const actor of who) {
        // In turns, so that each pair of tenants meets at each route.
        const foreign = TENANTS.filter((tenant) => tenant !== actor.tenant);
        made.push(...(await probes.harmless(operation, actor, foreign[(turn += 1) % foreign.length]!)));
      }
    }
    const before = await fingerprints(world);
    await prober.run(world.random.sample(made, share));
    prober.leaks.push(...changed(before, await fingerprints(world)));
    await scenarios(world, prober, { writes });
    if (writes) {
      for (const operation of [...what].sort((a, b) => ORDER.indexOf(a.method) - ORDER.indexOf(b.method))) {
        // Whoever acts as somebody may do less than they.
        const acting = who.filter(({ kind }) => kind !== 'support');
        const made = acting.map((actor) =>
          probes.own(
            operation,
            actor,
            TENANTS.find((one) => one !== actor.tenant)!,
          ),
        );
        const sent = world.random.sample((await Promise.all(made)).flat(), share);
        await prober.run(sent);
        // Some of it ends what the credential stands for.
        for (const { actor } of sent) actor.renew();
      }
      await learnIds(world);
    }
    await settled(world);
    prober.leaks.push(...(await sinks.leaks(prober)));
  } finally {
    await sinks.stop();
    prober.close();
  }
  const entered = [...prober.statuses].filter(([, counts]) => [...counts.keys()].some((status) => status < 400));
  const names = entered.map(([title]) => title);
  return {
    probes: prober.sent,
    leaks: prober.leaks,
    entered: names,
    refusedAll: what.map(({ title }) => title).filter((title) => !names.includes(title)),
    ms: performance.now() - since,
  };
}

/** What is made may be changed, and what is changed taken away. */
const ORDER = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Until the outbox is empty, so that mails and jobs have come out; what is dead by then stays. */
async function settled({ t }: World): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end;) {
    const waiting = await t.database.admin(
      `SELECT 1 FROM everywhere.outbox_events WHERE dead_at IS NULL AND attempts = 0 AND next_attempt_at <= now() LIMIT 1`,
    );
    if (waiting.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
