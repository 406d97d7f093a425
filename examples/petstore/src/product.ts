import type { Product } from 'tenantry';
import { CreateOwners1796083200000 } from './migrations/1796083200000-create-owners.js';
import { CreatePets1796083200001 } from './migrations/1796083200001-create-pets.js';
import { CreateVisits1796083200002 } from './migrations/1796083200002-create-visits.js';
import { CreateOrders1796083200003 } from './migrations/1796083200003-create-orders.js';
import { Item, Order, OrdersModule } from './orders/index.js';
import { Owner, OwnersModule } from './owners/index.js';
import { Pet, PetPhoto, PetsModule } from './pets/index.js';
import { Reminder, Visit, VisitsModule } from './visits/index.js';

/** All that Tenantry has to know of this application. */
export const PETSTORE: Product = {
  modules: [OwnersModule, PetsModule, VisitsModule, OrdersModule],
  entities: [Owner, Pet, PetPhoto, Visit, Reminder, Item, Order],
  migrations: [
    CreateOwners1796083200000,
    CreatePets1796083200001,
    CreateVisits1796083200002,
    CreateOrders1796083200003,
  ],
  streamed: ['POST /api/pets/:id/photos'],
  tags: [
    ['owners', 'The people who have pets, or want one'],
    ['pets', 'The animals, their photos, and those that wait for somebody'],
    ['visits', 'What the veterinarian did, and reminders of vaccinations'],
    ['orders', 'What the shop has, and who bought it'],
  ],
};
