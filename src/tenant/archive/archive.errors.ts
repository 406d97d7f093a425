import { AppError } from '../../common/index.js';

/** Not an archive, or one that was cut short, changed or made by somebody who means no good. Nothing of it was taken in. */
export class ArchiveInvalid extends AppError {
  constructor(why: string, cause?: unknown) {
    super({
      status: 422,
      code: 'archive_invalid',
      detail: `The archive cannot be taken in: ${why}.`,
      remedy: 'Nothing of it was. Fetch the archive again, or make it anew.',
      cause,
    });
  }
}

/** A wrong passphrase, or changed bytes: which of the two cannot be told. */
export class ArchiveSealed extends AppError {
  constructor(detail: string) {
    super({
      status: 422,
      code: 'archive_sealed',
      detail,
      remedy: 'Give the passphrase that the archive was made under. Without it nobody can open it.',
    });
  }
}

/** Made by another version of the application, which this one cannot follow. */
export class ArchiveVersionRefused extends AppError {
  constructor(detail: string, remedy: string) {
    super({ status: 409, code: 'archive_version', detail, remedy });
  }
}

export class TenantPresent extends AppError {
  constructor(id: string) {
    super({
      status: 409,
      code: 'tenant_present',
      detail: `There is, or was, a tenant with the id ${id} here.`,
      remedy: 'Import it as a new tenant, with another slug.',
    });
  }
}

/** Each holds a connection and space on the disk for as long as it is written. */
export class ExportRunning extends AppError {
  constructor() {
    super({
      status: 429,
      code: 'export_running',
      detail: 'An export of the tenant is under way, or as many of others as there may be at once.',
      remedy: 'Wait for its end, and ask again (see Retry-After).',
      headers: { 'Retry-After': '30' },
    });
  }
}

export class ExportRefused extends AppError {
  constructor(status: string) {
    super({
      status: 409,
      code: 'tenant_not_exportable',
      detail: `A tenant that is ${status} has nothing that could be exported.`,
      remedy: 'Active, suspended and archived tenants can be.',
    });
  }
}
