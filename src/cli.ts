import { runCommandLine } from './cli/index.js';

// `tenants:import` is `tenants import`, as the npm scripts of the same names call it.
const [command = '', ...rest] = process.argv.slice(2);
process.exit(await runCommandLine([...command.split(':'), ...rest].filter((part, at) => at > 0 || part !== '')));
