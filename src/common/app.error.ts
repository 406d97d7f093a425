/** One field at fault. */
export interface FieldError {
  /** JSON pointer to the offending member of the request body (RFC 6901). */
  pointer: string;
  /** What it breaks, where clients are told by name. */
  rule?: string;
  detail: string;
}

type Usual = 'type' | 'title' | 'status' | 'detail' | 'instance' | 'code' | 'remedy' | 'errors' | 'request_id';
type Extensions = Record<string, unknown> & Partial<Record<Usual, never>>;

/** What an error tells the client. */
export interface AppErrorOptions {
  status: number;
  /** Stable, machine-readable name of the problem (snake_case). */
  code: string;
  /** What went wrong, for the person who sent the request. */
  detail: string;
  /** What that person can do about it. */
  remedy?: string;
  errors?: FieldError[];
  headers?: Record<string, string>;
  /** Members of the problem beyond the usual ones (RFC 9457, section 3.2), whose names they cannot have. */
  extensions?: Extensions;
  cause?: unknown;
}

/**
 * Base of every error that a client may see. The one exception filter turns it into problem+json (RFC 9457);
 * anything that is not an AppError is answered as an opaque 500 and goes to the log in full.
 */
export class AppError extends Error {
  readonly status: number;
  readonly code: string;
  readonly remedy?: string;
  readonly errors?: FieldError[];
  readonly headers?: Record<string, string>;
  readonly extensions?: Extensions;

  constructor(options: AppErrorOptions) {
    super(options.detail, { cause: options.cause });
    this.name = new.target.name;
    this.status = options.status;
    this.code = options.code;
    this.remedy = options.remedy;
    this.errors = options.errors;
    this.headers = options.headers;
    this.extensions = options.extensions;
  }
}

/** The body parsed, but its shape is wrong: 422 with a JSON pointer for each field at fault. */
export class ValidationFailed extends AppError {
  constructor(errors: FieldError[]) {
    super({
      status: 422,
      code: 'validation_failed',
      detail: 'The request does not have the expected shape.',
      remedy: 'Correct the fields listed in `errors` and send the request again.',
      errors,
    });
  }
}
