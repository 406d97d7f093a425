import type { Readable, Writable } from 'node:stream';
import type { AppError } from '../common/index.js';

/** What was written, and is not there yet for anybody to see. */
export interface WrittenObject<T> {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
  made: T;
  /** Makes it the object of its name, whole and on the disks when this resolves. */
  keep(): Promise<void>;
  /** Nothing happens to what was kept. */
  discard(): Promise<void>;
}

/** Bytes of an object, the last one included. */
export interface ByteRange {
  first: number;
  last: number;
}

/** Why a store does not do what it is asked for. */
export type StoreTrouble = 'away' | 'refused' | 'bucket_missing' | 'failed';

/** What a store is used for. */
export interface StorageUse {
  /** Of the name of an object. */
  suffix: string;
  /** What the log calls it. */
  name: string;
  /** Of an upload to S3, all but the last; at least 5 MiB. An upload holds one in memory. */
  partBytes: number;
  /** What is thrown when the store fails. */
  failed(trouble: StoreTrouble, why: string, cause?: unknown): AppError;
}

/**
 * Where objects of tenants are. What has a name is whole: one that is being written has none until it is kept, and of one
 * whose process died nothing is ever taken for an object.
 *
 * A name is the tenant's id and the object's, both UUIDs of ours: no text of a client becomes part of a path.
 */
export abstract class ObjectStorage {
  /** @param work writes into what it is given, which it ends */
  abstract write<T>(tenantId: string, id: string, work: (out: Writable) => Promise<T>): Promise<WrittenObject<T>>;

  /** @returns undefined when there is none */
  abstract open(tenantId: string, id: string, range?: ByteRange): Promise<Readable | undefined>;

  abstract has(tenantId: string, id: string): Promise<boolean>;

  /** Where the object is on this machine, if it is one of its files. */
  abstract fileOf(tenantId: string, id: string): string | undefined;

  /** Nothing happens when there is none. */
  abstract remove(tenantId: string, id: string): Promise<void>;

  /** Everything of a tenant, also what is being written. */
  abstract removeAll(tenantId: string): Promise<void>;

  /** What processes that died have left unfinished. @returns how much there was */
  abstract removeAbandoned(): Promise<number>;

  /** How much there is of a tenant, also of what is being written. */
  abstract countOf(tenantId: string): Promise<number>;

  /** The ids of the tenant's objects, some at a time. */
  abstract idsOf(tenantId: string): AsyncGenerator<string[]>;

  /** The ids of tenants that have something. */
  abstract tenants(): AsyncGenerator<string>;
}
