import fc from 'fast-check';
import { AnswerCheck } from './answer.check.js';
import { type Attack, attacksOn, proper } from './attack.js';
import { curlOf } from './curl.js';
import type { ApiDocument, Operation } from './operations.js';
import type { Received, Sent, Wire } from './wire.js';
import { World } from './world.js';

/** Requests after which the world is looked at again. */
const CHUNK = 40;
/** For an operation whose time is over before it began, in ms. */
const LEAST_MS = 50;
/** Access tokens last longer, in ms. */
const FRESH_MS = 300_000;
/** For making a failing request small, in ms. */
const SHRINK_MS = 5000;
/** What an operation is given to take away. */
const STOCK = 8;

export interface Fault {
  operation: string;
  /** What was wrong, in words that two requests with the same fault share. */
  what: string;
  /** The smallest request found that shows it. */
  curl: string;
  /** The beginning of what was answered. */
  answer: string;
}

/** What became of an operation. */
export interface Tally {
  operation: string;
  requests: number;
  /** Requests by class of the status, such as `4xx`. */
  answers: Record<string, number>;
  /** Requests by code of the 503 that were meant. */
  meant: Record<string, number>;
  faults: Fault[];
  /** The longest that an answer took, in ms. */
  slowestMs: number;
}

/** Asks a service, which may be lost, everything that it documents. */
export class Abuse {
  private readonly check: AnswerCheck;
  /** Whether anything may have been ended since it was looked after. */
  private changed = true;
  private mendedMs = 0;

  constructor(
    private readonly wire: Wire,
    private readonly world: World,
    private readonly document: ApiDocument,
    private readonly operations: Operation[],
  ) {
    this.check = new AnswerCheck(document);
  }

  /**
   * @param until as performance.now() has it: when to stop; what is under way comes to its end
   * @param runs at most
   */
  async of(operation: Operation, seed: number, until: number, runs = Number.POSITIVE_INFINITY): Promise<Tally> {
    const tally: Tally = { operation: operation.title, requests: 0, answers: {}, meant: {}, faults: [], slowestMs: 0 };
    const known = new Set<string>();
    for (let chunk = 0; (chunk === 0 || performance.now() < until) && tally.requests < runs; chunk += 1) {
      await this.prepare(operation, seed + chunk);
      const source = { document: this.document, known: this.world.values };
      const attacks = attacksOn(source, operation, this.world);
      const numRuns = Math.min(CHUNK, runs - tally.requests);
      const property = fc.asyncProperty(attacks, async (attack) => {
        const what = await this.faultOf(operation, attack, tally);
        if (what !== undefined && !known.has(what)) throw new Found(what);
      });
      const limits = { seed: seed + chunk, numRuns };
      const interruptAfterTimeLimit = Math.max(until - performance.now(), LEAST_MS);
      const first = await fc.check(property, { ...limits, interruptAfterTimeLimit, endOnFailure: true });
      if (!first.failed || !first.counterexample) continue;
      if (!(first.errorInstance instanceof Found)) throw first.errorInstance as Error;
      const path = first.counterexamplePath ?? '';
      const smaller = await fc.check(property, { ...limits, path, interruptAfterTimeLimit: SHRINK_MS });
      const details = smaller.failed && smaller.counterexample ? smaller : first;
      if (!(details.errorInstance instanceof Found)) throw details.errorInstance as Error;
      known.add(details.errorInstance.message);
      tally.faults.push(await this.described(operation, details.errorInstance.message, details.counterexample[0]));
    }
    return tally;
  }

  /** Makes whole what others broke, and puts something there for those who take away. */
  private async prepare(operation: Operation, seed: number): Promise<void> {
    if (this.changed || performance.now() - this.mendedMs > FRESH_MS) {
      await this.world.mend();
      [this.changed, this.mendedMs] = [false, performance.now()];
    }
    await this.world.look(this.operations, operation);
    if (!this.world.lacks(operation)) return;
    const maker = this.operations.find(
      ({ method, path }) => method === 'POST' && operation.path.startsWith(`${path}/{`),
    );
    if (!maker) return;
    for (const { actor, sent } of fc.sample(
      proper({ document: this.document, known: this.world.values }, maker, this.world),
      { seed, numRuns: STOCK },
    )) {
      await this.send(sent, actor).catch(() => undefined);
    }
    await this.world.look(this.operations, operation);
  }

  private send(sent: Sent, actor: Attack['actor']): Promise<Received> {
    return this.wire.send(this.withCredential(sent, actor));
  }

  private withCredential(sent: Sent, actor: Attack['actor']): Sent {
    return { ...sent, headers: { ...this.world.headersOf(actor), ...sent.headers } };
  }

  private async faultOf(operation: Operation, { sent, actor }: Attack, tally?: Tally): Promise<string | undefined> {
    const startedMs = performance.now();
    let answer: Received;
    try {
      answer = await this.send(sent, actor);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // Refused before it was read, which TCP tells a client that still sends.
      if ((code === 'EPIPE' || code === 'ECONNRESET') && (sent.body?.length ?? 0) > 65_536) return undefined;
      return `answers nothing: ${code ?? message}`;
    }
    if (tally) {
      tally.requests += 1;
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - startedMs);
      const kind = `${Math.floor(answer.status / 100)}xx`;
      tally.answers[kind] = (tally.answers[kind] ?? 0) + 1;
    }
    if (operation.method !== 'GET' && answer.status < 400) this.changed = true;
    const what = this.check.faultOf(operation, sent, answer);
    if (!what && answer.status === 503 && tally) {
      const code = /"code":"(\w+)"/.exec(answer.body.toString('utf8'))?.[1] ?? '';
      tally.meant[code] = (tally.meant[code] ?? 0) + 1;
    }
    return what;
  }

  private async described(operation: Operation, what: string, attack: Attack): Promise<Fault> {
    const sent = this.withCredential(attack.sent, attack.actor);
    const answer = await this.wire.send(sent).catch((error: unknown) => error as Error);
    const shown =
      answer instanceof Error ? answer.message : `${answer.status} ${answer.body.toString('utf8').slice(0, 500)}`;
    return {
      operation: operation.title,
      what: `${what} (as ${attack.actor})`,
      curl: curlOf(this.wire.port, sent),
      answer: shown,
    };
  }
}

class Found extends Error {}
