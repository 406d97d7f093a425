import { Inject, Injectable } from '@nestjs/common';
import { bytesToUuid, isUuid, seal, sha256, unseal, uuidToBytes } from '../common/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { NO_TENANT } from '../tenancy/index.js';
import { JobFailure } from './job.errors.js';

/** What the engine stores of a job: whose it is, and the payload under seal. */
export interface JobEnvelope {
  tenant_id?: string;
  /** What brought the job: the id of its outbox event, for one of a tenant. */
  event: string;
  sealed: string;
}

/**
 * Seals payloads under a key derived from MASTER_KEY. Tenant, name and id are authenticated with it, so that a payload
 * copied into another job, or a job given to another tenant, does not open.
 */
@Injectable()
export class JobEnvelopes {
  constructor(@Inject(DATABASE) private readonly database: PreparedDatabase) {}

  wrap(tenantId: string | undefined, name: string, id: string, event: string, payload: unknown): JobEnvelope {
    const text = JSON.stringify(payload ?? null);
    const sealed = seal(this.key(), text, about(tenantId, name, id)).toString('base64');
    return { ...(tenantId !== undefined && { tenant_id: tenantId }), event, sealed };
  }

  /** @throws JobFailure, permanent, when it was changed or belongs to another job or tenant */
  open(tenantId: string | undefined, name: string, id: string, envelope: JobEnvelope): unknown {
    try {
      return JSON.parse(
        unseal(this.key(), Buffer.from(envelope.sealed, 'base64'), about(tenantId, name, id)).toString(),
      );
    } catch {
      throw new JobFailure('the payload does not open', true);
    }
  }

  private key(): Buffer {
    return this.database.keys.derive('jobs');
  }
}

/**
 * The id of a job that has a key: the same for the same tenant, name and key, so that a second one meets the first.
 * A UUID of version 8 (RFC 9562): 122 bits of SHA-256.
 */
export function idOfKey(tenantId: string, name: string, key: string): string {
  const bytes = sha256(JSON.stringify([tenantId, name, key])).subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytesToUuid(bytes);
}

/** @returns undefined for anything that is no envelope of ours */
export function envelopeOf(data: unknown): JobEnvelope | undefined {
  const envelope = data as Partial<JobEnvelope> | null;
  if (typeof envelope !== 'object' || envelope === null || typeof envelope.sealed !== 'string') return undefined;
  if (envelope.tenant_id !== undefined && !isUuid(envelope.tenant_id)) return undefined;
  return envelope as JobEnvelope;
}

function about(tenantId: string | undefined, name: string, id: string): Buffer {
  return Buffer.concat([uuidToBytes(tenantId ?? NO_TENANT), uuidToBytes(id), Buffer.from(name)]);
}
