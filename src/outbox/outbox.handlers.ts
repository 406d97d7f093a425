import { Injectable } from '@nestjs/common';
import { StatedFailure } from '../common/index.js';

/** An event as its handler gets it, inside the scope of its tenant and outside every transaction. */
export interface OutboxDelivery {
  /** The same for every attempt: what a handler deduplicates by. */
  id: string;
  payload: unknown;
  /** 1 for the first. */
  attempt: number;
  /** Aborted when the lease is lost, the time is up or the process stops; the work should end soon after. */
  signal: AbortSignal;
}

/** Handles one event, in the scope of its tenant; it may come again. */
export type OutboxHandler = (delivery: OutboxDelivery) => Promise<void>;

/** A handler's failure whose reason may be stored and logged: it holds nothing of the payload. */
export class OutboxFailure extends StatedFailure {}

/** Who handles which type of event. Handlers register when their module starts. */
@Injectable()
export class OutboxHandlers {
  private readonly handlers = new Map<string, OutboxHandler>();

  /**
   * @param type `noun.verb`, such as `mail.send`
   * @param handler may run more than once for the same event, so its effect must bear that
   */
  register(type: string, handler: OutboxHandler): void {
    if (this.handlers.has(type)) throw new Error(`Outbox type ${type} has two handlers.`);
    this.handlers.set(type, handler);
  }

  find(type: string): OutboxHandler | undefined {
    return this.handlers.get(type);
  }

  types(): string[] {
    return [...this.handlers.keys()];
  }
}
