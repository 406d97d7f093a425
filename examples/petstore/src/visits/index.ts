import { Module } from '@nestjs/common';
import { PetsModule } from '../pets/index.js';
import { VaccinationReminders } from './vaccination.reminders.js';
import { VisitsController } from './visits.controller.js';
import { VisitsService } from './visits.service.js';

export { Reminder, Visit } from './visit.entity.js';

@Module({
  imports: [PetsModule],
  controllers: [VisitsController],
  providers: [VaccinationReminders, VisitsService],
})
export class VisitsModule {}
