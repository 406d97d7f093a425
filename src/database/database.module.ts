import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import type { Env } from '../env/index.js';
import type { PreparedDatabase } from './prepare.js';

export const ENV = Symbol('ENV');
export const DATABASE = Symbol('DATABASE');

/** What was settled before the application was made: the parsed environment and the prepared database. */
@Global()
@Module({})
export class DatabaseModule {
  static forRoot(env: Env, database: PreparedDatabase): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, load: [() => ({ env })] })],
      providers: [
        { provide: ENV, useValue: env },
        { provide: DATABASE, useValue: database },
      ],
      exports: [ENV, DATABASE],
    };
  }
}
