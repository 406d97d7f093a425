import { Module } from '@nestjs/common';
import { AdoptionSearch } from './adoption.search.js';
import { PetPhotos } from './pet.photos.js';
import { PetsController } from './pets.controller.js';
import { PetsService } from './pets.service.js';

export { Pet, PetPhoto } from './pet.entity.js';
export { PET_READ, PET_WRITE } from './pets.settings.js';
export { PetsService } from './pets.service.js';

@Module({ controllers: [PetsController], providers: [AdoptionSearch, PetPhotos, PetsService], exports: [PetsService] })
export class PetsModule {}
