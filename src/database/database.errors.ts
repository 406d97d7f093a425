/** A failure to set up the database that only the operator can fix; the message says how. */
export class DatabaseSetupError extends Error {
  /**
   * @param message what went wrong, as one or more full sentences
   * @param remedy what the operator can do about it; appended to the message
   */
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(`${message} ${remedy}`);
    this.name = 'DatabaseSetupError';
  }
}
