import type { ServerResponse } from 'node:http';
import { AppError } from '../common/index.js';

/** Nobody is left to answer. Seen in logs only; 499 is what nginx calls it. */
export class ClientGone extends AppError {
  constructor() {
    super({ status: 499, code: 'client_gone', detail: 'The client has closed the connection.' });
  }
}

/** @returns aborted when the client goes before its answer has been sent, with {@link ClientGone} as the reason */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new ClientGone());
  });
  return gone.signal;
}
