import 'reflect-metadata';
import os from 'node:os';
import { NestFactory } from '@nestjs/core';
import { Logger as NestPinoLogger } from 'nestjs-pino';
import { pino } from 'pino';
import { loadEnv } from '../env/index.js';
import { createLogger } from '../logs/index.js';
import type { Product } from '../product.js';
import { stopSignal } from '../stop-signal.js';
import { type Actor, TenantRunner } from '../tenancy/index.js';
import type { Commands } from './commands.js';
import { Interrupted } from './exit-codes.js';
import { openShared } from './shared.database.js';
import { Terminal } from './terminal.js';

/** Runs a command in an application without HTTP. Nothing happens in it unasked. */
export async function withCommands(
  json: boolean,
  product: Product,
  work: (commands: Commands) => Promise<void>,
): Promise<void> {
  const loaded = loadEnv();
  // A person reads the outcome; the log is for whoever looks for its reasons.
  const logLevel = ['debug', 'trace'].includes(loaded.logLevel) ? loaded.logLevel : 'silent';
  const env = { ...loaded, logLevel, role: 'command' as const };
  // The wrapper may pass on what the terminal sent to both.
  const terminal = new Terminal(json, stopSignal(true));
  // The application is loaded while the database server starts.
  const [{ database, close }, { CliModule }, { Commands }] = await Promise.all([
    openShared(env, product, terminal),
    import('./cli.module.js'),
    import('./commands.js'),
  ]);
  try {
    if (terminal.interrupted.aborted) throw new Interrupted();
    const logger = createLogger(env, pino.destination({ dest: 2, sync: true }));
    const app = await NestFactory.createApplicationContext(
      CliModule.forRoot(env, database, logger, terminal, product),
      {
        // Nest's own would write to standard output.
        logger: false,
        abortOnError: false,
      },
    );
    app.useLogger(app.get(NestPinoLogger));
    try {
      const runner = app.get(TenantRunner);
      await runner.runAsPlatform('command line', () => {
        runner.identify(operator());
        return work(app.get(Commands));
      });
    } finally {
      await app.close();
    }
  } finally {
    await close();
  }
}

/** Whoever may run commands is nobody of the platform's own; the audit names the account of the machine. */
function operator(): Actor {
  let user: string;
  try {
    user = os.userInfo().username;
  } catch {
    // A container may run under a number that no account has.
    user = `uid ${process.getuid?.() ?? 'unknown'}`;
  }
  return { kind: 'system', name: `${user} (command line)` };
}
