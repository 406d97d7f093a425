import 'reflect-metadata';
import { loadEnv } from '../env/index.js';
import { stopSignal } from '../shutdown.js';
import { RecoveryCommands } from './recovery.commands.js';
import { Terminal } from './terminal.js';

export async function withRecovery(json: boolean, work: (commands: RecoveryCommands) => Promise<void>): Promise<void> {
  await work(new RecoveryCommands(new Terminal(json, stopSignal(true)), { ...loadEnv(), role: 'command' }));
}
