import { Controller, Get, HttpException, Injectable, Module, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { InjectThrottlerStorage } from '@nestjs/throttler';
import type { Response } from 'express';
import type { DataSource } from 'typeorm';
import { Public } from '../auth/index.js';
import { type LimitState, LimitStorage, NotCounted } from '../limits/index.js';
import { InjectPlatformDataSource, TenantDataSource } from '../tenancy/index.js';

/** Whether traffic should come here; turned off first when the process stops. */
@Injectable()
export class Readiness {
  private stopping = false;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly tenants: TenantDataSource,
    @InjectThrottlerStorage() private readonly storage: LimitStorage,
  ) {}

  /** Who counts requests. Each process by itself is worse than all together, and no reason to turn traffic away. */
  get limits(): LimitState {
    return this.storage.state;
  }

  stop(): void {
    this.stopping = true;
  }

  /** @returns what is not ready; empty when all is. Migrations ran before the process listens. */
  async problems(): Promise<string[]> {
    if (this.stopping) return ['stopping'];
    const checks = await Promise.allSettled([
      withTimeout(this.platform.query('SELECT 1 FROM installation')),
      withTimeout(this.tenants.ping()),
    ]);
    const problems = ['platform database', 'tenant database'].filter(
      (_, index) => checks[index]?.status === 'rejected',
    );
    return this.limits === 'closed' ? [...problems, 'limits'] : problems;
  }
}

async function withTimeout(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('timed out')), 2000);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const WHO_COUNTS = '`limits`: requests are counted by all processes together (`shared`) or by each for itself (`own`).';

@ApiTags('health')
@NotCounted()
@Public()
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @ApiOperation({ summary: 'The process runs; no dependency is asked' })
  @ApiOkResponse({ schema: { type: 'object', example: { status: 'ok' } } })
  live(): { status: string } {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Database and migrations are there; 503 when not', description: WHO_COUNTS })
  @ApiOkResponse({ schema: { type: 'object', example: { status: 'ok', limits: 'shared' } } })
  async ready(@Res({ passthrough: true }) response: Response): Promise<{ status: string; limits: LimitState }> {
    response.setHeader('Cache-Control', 'no-store');
    const problems = await this.readiness.problems();
    if (problems.length > 0) throw new HttpException(`Not ready: ${problems.join(', ')}`, 503);
    return { status: 'ok', limits: this.readiness.limits };
  }
}

@Module({ controllers: [HealthController], providers: [Readiness], exports: [Readiness] })
export class HealthModule {}
