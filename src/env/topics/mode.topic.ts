import type { EnvReader, Variable } from '../env.reader.js';

/** For whom the service runs: for who tries it out, for who works on it, or for customers. */
export interface ModeEnv {
  nodeEnv: 'development' | 'test' | 'production';
  demo: boolean;
  /** Of every demo user. */
  demoPassword: string;
}

export const MODE_VARIABLES: readonly Variable[] = [
  { name: 'NODE_ENV', example: '', allowed: 'development, test or production', about: 'production refuses demo mode' },
  {
    name: 'DEMO',
    example: '',
    allowed: 'on or off',
    about: 'loads the missing demo tenants of tenants.jsonl; on by default only with the embedded database',
  },
  {
    name: 'DEMO_PASSWORD',
    example: 'demo-password',
    allowed: 'at least 8 characters',
    about: 'of the demo users owner@, admin@, member@ and viewer@<slug>.example, which exist in demo mode only',
  },
];

export function readMode(from: EnvReader): ModeEnv {
  const nodeEnv = from.oneOf('NODE_ENV', ['development', 'test', 'production'], 'development');
  const asked = from.text('DEMO');
  let demo = from.onOrOff('DEMO', from.text('DATABASE_URL') === undefined);
  if (nodeEnv === 'production' && demo) {
    if (asked !== undefined) from.problem(`DEMO="${asked}" is refused with NODE_ENV=production; use DEMO=off.`);
    demo = false;
  }
  const demoPassword = from.text('DEMO_PASSWORD') ?? 'demo-password';
  if (demoPassword.length < 8) from.wrong('DEMO_PASSWORD');
  return { nodeEnv, demo, demoPassword };
}
