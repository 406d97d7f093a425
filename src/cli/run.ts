import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from './exit-codes.js';
import type { Product } from '../product.js';
import { buildProgram } from './program.js';
import { OutputClosed } from './terminal.js';

/**
 * Runs one command to its end. What it needs is loaded only once it is known to be one: help and wrong usage are quick,
 * and touch no database.
 *
 * @param args as typed, after the name of the program
 * @param product what is built on Tenantry; nothing for Tenantry alone
 * @returns the status for `process.exit`
 */
export async function runCommandLine(args: string[], product: Product = {}): Promise<ExitCode> {
  const json = asksForJson(args);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const program = buildProgram(
    {
      commands: async (work) => (await import('./session.js')).withCommands(json, product, work),
      migrations: async (work) => (await import('./migrate.session.js')).withMigrations(json, product, work),
      generation: async (work) => {
        const [{ ModuleCommand }, { Terminal }] = await Promise.all([
          import('./module/module.command.js'),
          import('./terminal.js'),
        ]);
        return work(new ModuleCommand(new Terminal(json, new AbortController().signal)));
      },
      recovery: async (work) => (await import('./recovery.session.js')).withRecovery(json, product, work),
    },
    (text) => (json ? undefined : process.stderr.write(text)),
  );
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT.done;
    if (error instanceof CommanderError) return usage(error, json);
    const { failureOf, linesOf } = await import('./failures.js');
    const failure = failureOf(error);
    const lines = json ? [JSON.stringify(failure.problem, null, 2)] : linesOf(failure);
    if (failure.exit === EXIT.unexpected && error instanceof Error && !json) lines.push(error.stack ?? '');
    process.stderr.write(`${lines.join('\n')}\n`);
    return failure.exit;
  }
}

/** Known before the rest of the line is, which may be what is wrong. */
function asksForJson(args: string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? undefined : end).includes('--json');
}

function usage(error: CommanderError, json: boolean): ExitCode {
  if (error.exitCode === 0) return EXIT.done;
  if (json) {
    const detail = error.code === 'commander.help' ? 'A command is missing.' : error.message.replace(/^error: /, '');
    const problem = {
      type: 'urn:tenantry:problem:usage',
      title: 'Error',
      detail,
      code: 'usage',
      remedy: 'See --help.',
    };
    process.stderr.write(`${JSON.stringify(problem, null, 2)}\n`);
  }
  return EXIT.usage;
}
