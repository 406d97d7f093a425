import type { Command } from 'commander';
import { buildProgram, exitCodes } from './program.js';

const WIDTH = 100;

const HEAD = `<!-- Generated from src/cli/ by \`npm run generate\`. -->

# The command line

\`\`\`sh
npm run tenantry -- tenants create umbrella --name "Umbrella Ltd" --owner ada@umbrella.example
npm run --silent tenantry -- tenants list --status active --json
\`\`\`

Commands work on the installation of \`DATA_DIR\` or \`DATABASE_URL\`, as \`npm start\` does, under the same rules as the
admin API. They need no sign-in: whoever can read the master key may run them. The audit log names the account of the
machine.

- Results are on standard output, all else on standard error. With \`--json\` standard output holds nothing but JSON of the
  shapes of the admin API, and a failure is problem JSON (RFC 9457) on standard error. npm itself prints two lines first;
  \`--silent\` keeps it quiet.
- Tables and progress bars are for people. Without a terminal there are plain lines; \`NO_COLOR\` turns colours off.
- Beside a running service that one does the work of a provisioning. Without one the command starts the embedded
  database, does the work itself, and stops the database; mail waits in the outbox until the service runs.
- Ctrl-C while a provisioning is waited for leaves no half tenant: the work goes on with the service, or with
  \`tenants wait\`.
- \`migrate\` works on the tables as they are; every other command brings platform and shared tables to head first. See
  [Migrations](migrations.md).
- A setting is read as JSON where it is JSON and allowed, otherwise as text: \`--setting chat.public=true\`.
- \`LOG_LEVEL=debug\` writes the log to standard error.
`;

/** The text of `docs/cli.md`: the help of every command. */
export function cliReference(): string {
  const program = buildProgram(
    {
      commands: () => Promise.resolve(),
      migrations: () => Promise.resolve(),
      recovery: () => Promise.resolve(),
      generation: () => Promise.resolve(),
    },
    () => undefined,
    WIDTH,
  );
  const codes = ['## Exit codes', '', '```text', ...exitCodes(), '```'].join('\n');
  const commands = leaves(program).map((command) => section(command));
  return `${[HEAD, codes, '## Commands', ...commands].map((part) => part.trim()).join('\n\n')}\n`;
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap((child) => leaves(child));
}

function section(command: Command): string {
  const title = `${command.parent?.name() ?? ''} ${command.name()}`;
  return [`### ${title}`, '', '```text', command.helpInformation().trim(), '```'].join('\n');
}
