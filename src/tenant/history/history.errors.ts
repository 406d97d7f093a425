import { AppError } from '../../common/index.js';
import type { HistoryState } from './history.js';

export class HistoryRefused extends AppError {
  /** @param why how the tenant is */
  constructor(why: string) {
    super({
      status: 409,
      code: 'history_refused',
      detail: `No history is kept of a tenant that is ${why}.`,
      remedy: 'Tenants that are active, suspended or archived can have one, and are no sandbox and no training tenant.',
    });
  }
}

export class HistoryStopping extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'history_stopping',
      detail: 'The history of the tenant was switched off and is being deleted.',
      remedy: 'Wait until its state is off, and switch it on again.',
      headers: { 'Retry-After': '5' },
    });
  }
}

export class HistoryNotKept extends AppError {
  constructor(state: HistoryState) {
    super({
      status: 409,
      code: 'history_not_kept',
      detail: `The history of the tenant is ${state}.`,
      remedy: 'Restore a backup as it is; or switch the history on, for what comes after.',
      extensions: { history_state: state },
    });
  }
}

/** The moment is before what is known, also where a history was switched off and on again in between. */
export class HistoryTooShort extends AppError {
  /** @param from the first moment that can be brought back */
  constructor(from: Date | null) {
    super({
      status: 422,
      code: 'history_too_short',
      detail: from
        ? `The tenant can be brought back to a time after ${from.toISOString()}, and to none before.`
        : 'There is no backup yet that was made since the history is kept.',
      remedy: from ? 'Name a later time, or restore a backup as it is.' : 'Have one made with "backups run".',
      extensions: { reaches_back_to: from?.toISOString() ?? null },
    });
  }
}

export class MomentAhead extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'moment_ahead',
      detail: 'That time has not come yet.',
      remedy: 'Name a time in the past.',
    });
  }
}

/** Not all that changed was captured. */
export class HistoryBroken extends AppError {
  constructor(why: string) {
    super({
      status: 409,
      code: 'history_broken',
      detail: `The history of the tenant is not whole: ${why}.`,
      remedy: 'Restore a backup as it is. Switch the history off and on, so that it begins anew.',
    });
  }
}
