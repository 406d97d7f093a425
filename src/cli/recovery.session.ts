import 'reflect-metadata';
import { loadEnv } from '../env/index.js';
import type { Product } from '../product.js';
import { stopSignal } from '../stop-signal.js';
import { RecoveryCommands } from './recovery.commands.js';
import { Terminal } from './terminal.js';

export async function withRecovery(
  json: boolean,
  product: Product,
  work: (commands: RecoveryCommands) => Promise<void>,
): Promise<void> {
  const env = { ...loadEnv(), role: 'command' as const };
  await work(new RecoveryCommands(new Terminal(json, stopSignal(true)), env, product));
}
