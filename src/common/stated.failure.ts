import { AppError } from './app.error.js';

/** Work that failed for a reason that may be stored, and shown to who looks after it. */
export class StatedFailure extends Error {
  /**
   * @param reason without secrets, and without anything of what was worked on
   * @param permanent true when trying again cannot help
   */
  constructor(
    readonly reason: string,
    readonly permanent = false,
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.name = new.target.name;
  }
}

/** Where a failure came from, for the log. Without the first lines of its stack: they repeat the message. */
export function placesOf(error: unknown): string[] | undefined {
  return error instanceof Error ? error.stack?.match(/^\s+at .*$/gm)?.slice(0, 5) : undefined;
}

/** What may be stored of a failure. Messages stay out: servers and drivers quote what they were given. */
export function reasonOf(error: unknown): string {
  if (error instanceof StatedFailure) return error.reason;
  if (error instanceof AppError) return error.code;
  if (!(error instanceof Error)) return 'unknown';
  const code = (error as { code?: unknown }).code ?? (error as { driverError?: { code?: unknown } }).driverError?.code;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
