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
  const code = rest['code'] ?? (driverError as { code?: unknown } | undefined)?.code;
  const { message, stack } = rest as { message: string; stack: string };
  // SQLSTATE class 22, data exceptions: the message quotes the value that did not fit.
  const safe = /^22/.test(String(code)) ? message.replace(/".*"/s, '"[redacted]"') : message;
  return {
    ...rest,
    message: safe,
    stack: stack.replaceAll(message, safe),
    detail: undefined,
    where: undefined,
    code,
    given: parameters && '[redacted]',
  };
}

@Module({})
export class LogsModule {
  /** nestjs-pino without its per-request middleware: the kernel's scope already tells the lines apart. */
  static forRoot(logger: Pino): DynamicModule {
    return {
      module: LogsModule,
      // Wrapped, its serializer of errors would take the place of ours, and parameters would be in the log.
      imports: [
        LoggerModule.forRoot({ pinoHttp: { logger, wrapSerializers: false }, useExisting: true, forRoutes: [] }),
      ],
      exports: [LoggerModule],
    };
  }
}
