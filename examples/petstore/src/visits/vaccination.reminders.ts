import { Injectable } from '@nestjs/common';
import {
  InjectTenantRepository,
  type JobRun,
  newId,
  type Page,
  TenantAudit,
  TenantCron,
  TenantCursors,
  TenantJobHandler,
  TenantJobs,
  TenantRepository,
  TenantTransaction,
} from 'tenantry';
import { LessThan } from 'typeorm';
import { Pet } from '../pets/index.js';
import { Reminder, Visit } from './visit.entity.js';

/** How long before a vaccination is due somebody is reminded, in days. */
const AHEAD_DAYS = 14;
const PAGE = 500;
const LIST = 'reminders';
const JOB = 'vaccination.remind';

/** Reminds of vaccinations, once for each: whatever is done twice finds that it is done. */
@Injectable()
export class VaccinationReminders {
  constructor(
    @InjectTenantRepository(Visit) private readonly visits: TenantRepository<Visit>,
    @InjectTenantRepository(Reminder) private readonly reminders: TenantRepository<Reminder>,
    private readonly jobs: TenantJobs,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
    private readonly audit: TenantAudit,
  ) {}

  /** Newest first. @throws CursorInvalid */
  async list(limit: number, cursor?: string): Promise<Page<Reminder>> {
    const before = this.cursors.open(LIST, cursor);
    const where = before === undefined ? {} : { id: LessThan(before) };
    const rows = await this.reminders.find({ where, order: { id: 'DESC' }, take: limit + 1 });
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** Now, and not only tomorrow morning. */
  async order(): Promise<void> {
    await this.jobs.enqueue(JOB);
  }

  @TenantCron('vaccination.daily', '0 7 * * *')
  daily(run: JobRun): Promise<void> {
    return this.remind(run);
  }

  @TenantJobHandler({ name: JOB })
  work(run: JobRun): Promise<void> {
    return this.remind(run);
  }

  private async remind({ signal }: Pick<JobRun, 'signal'>): Promise<void> {
    const until = new Date(Date.now() + AHEAD_DAYS * 24 * 3600 * 1000).toISOString().slice(0, 10);
    for (;;) {
      signal.throwIfAborted();
      const due = await this.visits
        .createQueryBuilder('visit')
        .innerJoin(Pet, 'pet', 'pet.id = visit.petId AND pet.deletedAt IS NULL')
        .leftJoin(Reminder, 'reminder', 'reminder.visitId = visit.id')
        .where('visit.vaccinationDueOn <= :until AND reminder.id IS NULL', { until })
        .orderBy('visit.id', 'ASC')
        .limit(PAGE)
        .getMany();
      if (due.length === 0) return;
      await this.transaction.run(async () => {
        const createdAt = new Date();
        const rows = due.map(({ id: visitId, petId, vaccine, vaccinationDueOn }) => ({
          id: newId(),
          visitId,
          petId,
          vaccine: vaccine!,
          dueOn: vaccinationDueOn!,
          createdAt,
        }));
        // Two that run at once meet at the constraint: the second fails as a whole, and finds nothing to do when it comes again.
        await this.reminders.insert(rows);
        await this.audit.record({ event: 'vaccination.reminded', details: { reminders: rows.length } });
      });
    }
  }
}
