/** What the exit code of a command says. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  unknown: 3,
  refused: 4,
  invalid: 5,
  failed: 6,
  database: 7,
  environment: 8,
  incomplete: 9,
  unconfirmed: 10,
  remains: 11,
  unrestored: 12,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: Record<keyof typeof EXIT, string> = {
  done: 'done',
  unexpected: 'a fault that no command expects; the whole of it is on standard error',
  usage: 'no such command or option, or one that is missing',
  unknown: 'there is no such tenant or plan',
  refused: 'not allowed now: a slug that is taken, a status that does not permit it, another ETag by now',
  invalid: 'a value or a file that is not valid; each field at fault is named',
  failed:
    'the provisioning failed, and can be retried or rolled back; or the move or restore did, and the tenant is as it was',
  database: 'the database cannot be reached or set up',
  environment: 'a variable of the environment is wrong',
  incomplete: 'some tenants were not migrated; they are named, and all others were',
  remains: 'something is left of a tenant that was erased, or not everything could be looked through',
  unconfirmed: 'stopped after the first places, for a yes',
  unrestored: 'places of tenants are not there yet, or belong to no tenant that is known; they are named',
  interrupted: 'interrupted by Ctrl-C; what was begun goes on or never happened, as the message says',
};

/** A failure that is a command's own, beyond those of the services. */
export class CommandFailure extends Error {
  constructor(
    readonly exit: ExitCode,
    readonly code: string,
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
    this.name = 'CommandFailure';
  }
}

/** A combination of options that makes no sense. */
export class UsageFailure extends CommandFailure {
  constructor(message: string) {
    super(EXIT.usage, 'usage', message, 'See --help.');
  }
}

export class Interrupted extends CommandFailure {
  constructor(message = 'Interrupted; nothing was changed.') {
    super(EXIT.interrupted, 'interrupted', message);
  }
}
