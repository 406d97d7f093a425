import { Injectable } from '@nestjs/common';
import {
  FileNotFound,
  type FileSource,
  InjectTenantRepository,
  TenantAudit,
  TenantFiles,
  TenantRepository,
  TenantTransaction,
} from 'tenantry';
import { idOf, NotFound } from '../rest.js';
import { PetPhoto } from './pet.entity.js';
import type { PhotoView } from './pet.dto.js';
import { PetsService } from './pets.service.js';

const ACCEPTED = ['image/png', 'image/jpeg', 'image/webp'];
const MAX_BYTES = 5 * 2 ** 20;
const MOST = 20;
const LINK_SECONDS = 3600;

/** Photos of pets: the files are the tenant's, with its quota, and go wherever it goes. */
@Injectable()
export class PetPhotos {
  constructor(
    @InjectTenantRepository(PetPhoto) private readonly photos: TenantRepository<PetPhoto>,
    private readonly pets: PetsService,
    private readonly files: TenantFiles,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  /** The newest, with links. @throws NotFound */
  async list(petId: string): Promise<PhotoView[]> {
    const pet = await this.pets.find(petId);
    const rows = await this.photos.find({ where: { petId: pet.id }, order: { id: 'DESC' }, take: MOST });
    const views = await Promise.all(rows.map((row) => this.view(row).catch(unlessGone)));
    return views.filter((view) => view !== undefined);
  }

  /** @param bytes how many there will be, where that is known @throws NotFound, and what {@link TenantFiles.put} throws */
  async add(petId: string, source: FileSource, name: string, bytes: number | undefined): Promise<PhotoView> {
    const pet = await this.pets.find(petId);
    const file = await this.files.put(source, { name, bytes, maxBytes: MAX_BYTES, accept: ACCEPTED });
    try {
      const [photo] = await this.transaction.run(async () => {
        await this.audit.record({
          event: 'pet.photo_added',
          target: { kind: 'pet', id: pet.id },
          details: { file: file.id },
        });
        return this.photos.insert({ petId: pet.id, fileId: file.id });
      });
      return await this.view(photo!);
    } catch (error) {
      await this.files.delete(file.id).catch(unlessGone);
      throw error;
    }
  }

  /** @throws NotFound */
  async remove(petId: string, id: string): Promise<void> {
    const photo = await this.photos.findOneBy({ id: idOf(id, 'photo'), petId: idOf(petId, 'pet') });
    if (!photo) throw new NotFound('photo');
    await this.transaction.run(async () => {
      if ((await this.photos.delete({ id })) === 0) throw new NotFound('photo');
      await this.audit.record({ event: 'pet.photo_removed', target: { kind: 'pet', id: petId } });
    });
    await this.files.delete(photo.fileId).catch(unlessGone);
  }

  private async view({ id, fileId }: PetPhoto): Promise<PhotoView> {
    const { mediaType } = await this.files.find(fileId);
    return { id, media_type: mediaType, url: (await this.files.url(fileId, LINK_SECONDS)).url };
  }
}

/** Somebody deleted the file itself. */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof FileNotFound)) throw error;
}
