import { Column, Entity } from 'typeorm';
import type { ActorKind } from '../tenancy/index.js';
import { TenantOwned } from '../tenancy/index.js';

/** `pending` while it comes, `deleting` until its bytes are gone. Nobody sees but those that are `stored`. */
export type FileState = 'pending' | 'stored' | 'deleting';

/** What is known of a file. Its bytes are in the store, under the ids of tenant and file. */
@Entity('tenant_files')
export class TenantFile extends TenantOwned {
  @Column('text')
  state: FileState;

  /** As the uploader called it; to show, never part of a path. */
  @Column('text')
  name: string;

  /** What the bytes look like. */
  @Column('text', { name: 'media_type' })
  mediaType: string;

  /** While it is pending, what is reserved for it. */
  @Column('bigint', { transformer: { to: (value: number) => value, from: Number } })
  bytes: number;

  /** Hexadecimal; empty while it is pending. */
  @Column('text')
  sha256: string;

  /** Null for the service itself, and for who has been forgotten. */
  @Column('uuid', { name: 'uploaded_by', nullable: true })
  uploadedBy: string | null;

  @Column('text', { name: 'uploader_kind' })
  uploaderKind: ActorKind;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  /** When the process that writes it was heard of last. */
  @Column('timestamptz', { name: 'touched_at' })
  touchedAt: Date;
}
