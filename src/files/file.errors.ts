import { AppError } from '../common/index.js';

/** Unknown, of somebody else, or not there whole: one answer. */
export class FileNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'file_not_found',
      detail: 'There is no such file.',
      remedy: 'GET /api/files lists those that there are.',
    });
  }
}

/** Its row is there and the store has nothing: somebody removed it there, or it was restored from where it was missing. */
export class FileBytesMissing extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'file_bytes_missing',
      detail: 'What was in this file is lost.',
      remedy: 'Delete it, and upload it again.',
    });
  }
}

export class FileTooLarge extends AppError {
  constructor(maxBytes: number) {
    super({
      status: 413,
      code: 'file_too_large',
      detail: `A file may have at most ${maxBytes} bytes here.`,
      remedy: 'Send a smaller file. Nothing of this one was kept.',
      extensions: { max_bytes: maxBytes },
    });
  }
}

export class FileQuotaExceeded extends AppError {
  constructor(quotaBytes: number, usedBytes: number) {
    super({
      status: 413,
      code: 'file_quota_exceeded',
      detail: `All files together may have ${quotaBytes} bytes, and the file does not fit in beside the ${usedBytes} that are used.`,
      remedy: 'Delete files that are not needed any more, or ask for more room. Nothing of this one was kept.',
      extensions: { quota_bytes: quotaBytes, used_bytes: usedBytes },
    });
  }
}

export class FileCountExceeded extends AppError {
  constructor(maxCount: number) {
    super({
      status: 413,
      code: 'file_count_exceeded',
      detail: `There may be ${maxCount} files here, and there are as many.`,
      remedy: 'Delete files that are not needed any more, or ask for more room. Nothing of this one was kept.',
      extensions: { max_count: maxCount },
    });
  }
}

export class FileTypeRefused extends AppError {
  constructor(mediaType: string, accepted: readonly string[]) {
    super({
      status: 415,
      code: 'file_type_refused',
      detail: `The file looks like ${mediaType}, which is not taken here.`,
      remedy: `Send one of: ${accepted.join(', ')}.`,
    });
  }
}

export class FileNameInvalid extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'file_name_invalid',
      detail: 'A file needs a name of 1 to 255 characters, without control characters.',
      remedy: 'Send it URI-encoded in the query, as ?name=….',
    });
  }
}

/** The client went away, or its connection broke. */
export class UploadAborted extends AppError {
  constructor(cause: unknown) {
    super({
      status: 400,
      code: 'upload_aborted',
      detail: 'The file did not arrive whole.',
      remedy: 'Send it again. Nothing of it was kept.',
      cause,
    });
  }
}

/** It took too long, or the tenant was erased meanwhile. */
export class UploadLost extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'upload_lost',
      detail: 'The upload was given up before it came to its end.',
      remedy: 'Send the file again. Nothing of it was kept.',
    });
  }
}

export class TransfersRunning extends AppError {
  constructor(what: 'uploads' | 'downloads', most: number) {
    super({
      status: 429,
      code: `${what}_running`,
      detail: `${most} ${what} of the tenant are under way in this process, and more cannot be.`,
      remedy: 'Wait for the end of one (see Retry-After).',
      headers: { 'Retry-After': '5' },
    });
  }
}

/** Expired, changed, of another tenant or missing: which of these is nobody's business. */
export class FileLinkInvalid extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'file_link_invalid',
      detail: 'This link does not open the file, or does so no longer.',
      remedy: 'Ask for a new one, or send a credential.',
    });
  }
}

export class RangeNotSatisfiable extends AppError {
  constructor(bytes: number) {
    super({
      status: 416,
      code: 'range_not_satisfiable',
      detail: `The file has ${bytes} bytes, and none of those that are asked for.`,
      remedy: 'Correct the Range header, or leave it out.',
      headers: { 'Content-Range': `bytes */${bytes}` },
    });
  }
}

/** What the store said is for operators, and in the log. */
export class FileStoreFailed extends AppError {
  constructor(why: string, cause?: unknown) {
    super({
      status: 503,
      code: 'file_store_failed',
      detail: 'Files cannot be read or written right now.',
      remedy: 'Try again shortly.',
      headers: { 'Retry-After': '10' },
      cause: new Error(why, { cause }),
    });
  }
}
