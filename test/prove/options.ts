import { parseArgs } from 'node:util';

export interface ProofOptions {
  /** How long the proof may take, in seconds, start and end aside. */
  seconds: number;
  /** Of what is drawn. The same seed draws the same requests for the same installation. */
  seed: number;
  /** Only what has this in its title. */
  only: string | undefined;
  /** After failures, leave the service up until Ctrl-C, so that their curl commands work. */
  keep: boolean;
}

/**
 * What was written behind `npm run prove:… --`, by way of `scripts/run.mjs`.
 *
 * @param seconds unless told otherwise
 * @throws Error when a value is not allowed
 */
export function proofOptions(seconds: number): ProofOptions {
  const { values } = parseArgs({
    args: JSON.parse(process.env['PROOF_ARGUMENTS'] ?? '[]') as string[],
    options: {
      seconds: { type: 'string', default: String(seconds) },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const options = { ...values, seconds: Number(values.seconds), seed: Number(values.seed), only: values.only };
  if (!(options.seconds > 0 && options.seconds <= 86_400)) throw new Error('--seconds takes a number up to 86400');
  if (!Number.isSafeInteger(options.seed)) throw new Error('--seed takes an integer');
  return options;
}
