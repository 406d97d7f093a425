import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../tenancy/index.js';

/** The picture that stands for a tenant. The newest of a tenant is the one in force. */
@Entity('brand_logos')
export class BrandLogo extends TenantOwned {
  /** As its own bytes told. */
  @Column('text', { name: 'media_type' })
  mediaType: string;

  @Column('bytea')
  content: Buffer;

  /** Tells one content from another, for caches. */
  @Column('text')
  tag: string;

  /** In pixels. */
  @Column('integer')
  width: number;

  @Column('integer')
  height: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
