import { type DynamicModule, Module } from '@nestjs/common';
import { ClsServiceManager } from 'nestjs-cls';
import { LoggerModule } from 'nestjs-pino';
import { type Logger as Pino, pino } from 'pino';
import type { Env } from '../env/index.js';
import type { TenancyStore } from '../tenancy/index.js';

/** The root logger: every line written inside a request carries its id and its tenant's slug. */
export function createLogger(env: Env, destination?: pino.DestinationStream): Pino {
  const cls = ClsServiceManager.getClsService<TenancyStore>();
  const options: pino.LoggerOptions = {
    level: env.logLevel,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    mixin() {
      if (!cls.isActive()) return {};
      const store = cls.get<TenancyStore>();
      return { request_id: store.requestId, tenant: store.tenant?.slug };
    },
    serializers: { err: withoutParameters },
    redact: {
      paths: ['authorization', 'cookie', 'password', 'session_id', '*.authorization', '*.cookie', '*.session_id'],
      censor: '[redacted]',
    },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** What a failed statement was given is a tenant's data: it stays out of the log. */
function withoutParameters(error: Error): unknown {
  const { parameters, driverError, ...rest } = pino.stdSerializers.err(error) as unknown as Record<string, unknown>;
  const code = (driverError as { code?: unknown } | undefined)?.code;
  return {
    ...rest,
    detail: undefined,
    where: undefined,
    code: rest['code'] ?? code,
    given: parameters && '[redacted]',
  };
}

@Module({})
export class LogsModule {
  /** nestjs-pino without its per-request middleware: the kernel's scope already tells the lines apart. */
  static forRoot(logger: Pino): DynamicModule {
    return {
      module: LogsModule,
      imports: [LoggerModule.forRoot({ pinoHttp: { logger }, useExisting: true, forRoutes: [] })],
      exports: [LoggerModule],
    };
  }
}
