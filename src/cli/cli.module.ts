import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { workModules } from '../app.module.js';
import type { PreparedDatabase } from '../database/index.js';
import type { Env } from '../env/index.js';
import type { Product } from '../product.js';
import { COMMAND_PROVIDERS } from './commands.js';
import { Terminal } from './terminal.js';

/** The service without its HTTP side, and the commands. */
@Module({})
export class CliModule {
  static forRoot(
    env: Env,
    database: PreparedDatabase,
    logger: Logger,
    terminal: Terminal,
    product: Product,
  ): DynamicModule {
    return {
      module: CliModule,
      imports: workModules(env, database, logger, product),
      providers: [{ provide: Terminal, useValue: terminal }, ...COMMAND_PROVIDERS],
    };
  }
}
