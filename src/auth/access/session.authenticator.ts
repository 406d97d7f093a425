import type { Visitor } from './principal.js';

/** Port: knows whether a chat session of the current tenant is alive. The session slice implements it. */
export abstract class SessionAuthenticator {
  /** @param tokenHash SHA-256 of the credential */
  abstract authenticate(tokenHash: Buffer): Visitor | undefined | Promise<Visitor | undefined>;
  /**
   * @param sessionId the session's UUID, which opens nothing by itself
   * @param askedBy id of the user or program that names it
   */
  abstract find(sessionId: string, askedBy: string): Visitor | undefined | Promise<Visitor | undefined>;
}
