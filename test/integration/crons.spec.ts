import { Injectable, Module, type Type } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PlatformCron } from '../../src/jobs/index.js';
import { JobCrons } from '../../src/jobs/job.crons.js';
import { serveTestApp, type TestApp } from '../kit/test-app.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';

@Injectable()
class OlderCrons {
  @PlatformCron('test.kept', '0 1 * * *')
  kept(): void {}

  @PlatformCron('test.moved', '0 2 * * *')
  moved(): void {}

  @PlatformCron('test.dropped', '0 3 * * *')
  dropped(): void {}
}

/** The next version: one cron has another time, one is gone, one is new. */
@Injectable()
class NewerCrons {
  @PlatformCron('test.kept', '0 1 * * *')
  kept(): void {}

  @PlatformCron('test.moved', '30 2 * * *', { timeZone: 'Europe/Berlin' })
  moved(): void {}

  @PlatformCron('test.added', '0 4 * * *')
  added(): void {}
}

@Module({ providers: [OlderCrons] })
class Older {}

@Module({ providers: [NewerCrons] })
class Newer {}

const OLD = { 'test.kept': '0 1 * * * UTC', 'test.moved': '0 2 * * * UTC', 'test.dropped': '0 3 * * * UTC' };
const NEW = { 'test.kept': '0 1 * * * UTC', 'test.moved': '30 2 * * * Europe/Berlin', 'test.added': '0 4 * * * UTC' };

describe('the crons of two versions that run beside each other', () => {
  let database: TestDatabase;
  const running: TestApp[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    for (const app of running.splice(0)) await app.close();
  });
  afterAll(() => database.drop());

  async function start(version: Type): Promise<TestApp> {
    const app = await serveTestApp({ ...database, drop: () => Promise.resolve() }, false, undefined, {
      modules: [version],
    });
    running.push(app);
    return app;
  }
  async function stop(app: TestApp): Promise<void> {
    running.splice(running.indexOf(app), 1);
    await app.close();
  }
  const rows = () =>
    database.admin<{ name: string; cron: string; timezone: string; at: string }>(
      `SELECT name, cron, timezone, created_on::text || updated_on::text AS at FROM jobs.schedule
        WHERE name LIKE 'test.%' ORDER BY name`,
    );
  const schedules = async () =>
    Object.fromEntries((await rows()).map(({ name, cron, timezone }) => [name, `${cron} ${timezone}`]));
  const others = () => database.admin(`SELECT name FROM jobs.schedule WHERE name NOT LIKE 'test.%' ORDER BY name`);
  /** Nobody of this version said anything for so long. */
  const pass = (minutes: number, since = '') =>
    database.admin(
      `UPDATE platform.job_crons SET known_at = known_at - $1 * interval '1 minute' WHERE expression = ANY ($2)`,
      [minutes, since === 'older' ? ['0 2 * * *', '0 3 * * *'] : ['30 2 * * *', '0 4 * * *']],
    );

  it('are all scheduled, whichever starts or stops, until nobody has declared one for a while', async () => {
    const older = await start(Older);
    expect(await schedules()).toEqual(OLD);
    const all = await others();
    const newer = await start(Newer);
    const both = { ...OLD, ...NEW };
    expect(await schedules()).toEqual(both);
    const before = await rows();

    // An old process crashes and comes back, others of its kind look after theirs: nothing of the newer one's is touched.
    await stop(older);
    const again = await start(Older);
    await again.app.get(JobCrons, { strict: false }).keep();
    await newer.app.get(JobCrons, { strict: false }).keep();
    expect(await rows()).toEqual(before);
    await stop(again);
    expect(await schedules()).toEqual(both);

    await pass(9, 'older');
    await newer.app.get(JobCrons, { strict: false }).keep();
    expect(await schedules()).toEqual(both);
    await pass(2, 'older');
    await newer.app.get(JobCrons, { strict: false }).keep();
    expect(await schedules()).toEqual(NEW);
    expect(await others()).toEqual(all);
  });

  it('are those of the older version again after a roll-back, once the newer one is gone', async () => {
    await start(Newer).then(stop);
    const back = await start(Older);
    // What is declared anew came last, as after every deployment.
    expect(await schedules()).toEqual({ ...NEW, ...OLD });
    await pass(11);
    await back.app.get(JobCrons, { strict: false }).keep();
    expect(await schedules()).toEqual(OLD);
  });

  it('that a process of before this register scheduled are left to it for a while', async () => {
    const newer = await start(Newer);
    await database.admin(`DELETE FROM platform.job_crons WHERE name = 'test.dropped'`);
    const older = await start(Older);
    await stop(older);
    await database.admin(`DELETE FROM platform.job_crons WHERE name = 'test.dropped'`);
    const keep = () => newer.app.get(JobCrons, { strict: false }).keep();
    await keep();
    expect(await schedules()).toHaveProperty(['test.dropped']);
    await pass(11, 'older');
    await keep();
    expect(await schedules()).toEqual(NEW);
  });

  it('make one job for an occurrence, not one for each version', async () => {
    const [older, newer] = [await start(Older), await start(Newer)];
    for (const app of [older, newer, older]) await app.app.get(JobCrons, { strict: false }).keep();
    const keys = await database.admin<{ schedules: number }>(
      `SELECT count(*)::int AS schedules FROM jobs.schedule WHERE name IN ('test.kept', 'test.moved') GROUP BY name`,
    );
    expect(keys).toEqual([{ schedules: 1 }, { schedules: 1 }]);
  });
});
