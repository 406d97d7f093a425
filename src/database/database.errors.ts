/** A failure to set up the database that only the operator can fix; the message says how. */
export class DatabaseSetupError extends Error {
  /**
   * @param message what went wrong, as one or more full sentences
   * @param remedy what the operator can do about it; appended to the message
   */
  constructor(
    message: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${message} ${remedy}`, options);
    this.name = 'DatabaseSetupError';
  }
}

/** Another living process has this DATA_DIR. Its embedded server, once it runs, can be shared. */
export class DataDirInUse extends DatabaseSetupError {
  constructor(folder: string, pid: number | undefined) {
    super(
      `Another process (pid ${pid ?? 'unknown'}) uses the DATA_DIR ${folder}.`,
      'Stop that process, or set another DATA_DIR and PORT for this one.',
    );
    this.name = 'DataDirInUse';
  }
}
