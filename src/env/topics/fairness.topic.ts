import type { EnvReader, Variable } from '../env.reader.js';

/** What tenants share. */
export interface FairnessEnv {
  /** Calls of models that this process has under way at once. */
  modelConcurrency: number;
}

export const FAIRNESS_VARIABLES: readonly Variable[] = [
  {
    name: 'MODEL_CONCURRENCY',
    example: '64',
    allowed: 'an integer from 1 to 10000',
    about: 'calls of models under way at once in a process; tenants share them by limits.weight',
  },
];

export function readFairness(from: EnvReader): FairnessEnv {
  return { modelConcurrency: from.integer('MODEL_CONCURRENCY', 64, 1, 10_000) };
}
