import type { EnvReader, Variable } from '../env.reader.js';

/** Customers who make their tenant themselves. */
export interface SignupEnv {
  /** Who may sign up. */
  signup: 'open' | 'invite' | 'closed';
  /** Plans that a customer may choose; the first is the default. */
  signupPlans: string[];
  /** Whether what signs up is a trial. */
  signupTrial: boolean;
}

export const SIGNUP_VARIABLES: readonly Variable[] = [
  {
    name: 'SIGNUP',
    example: '',
    allowed: 'open, invite or closed',
    about: 'who may sign up: anybody, whoever has an invite code, nobody; open in demo mode, otherwise closed',
  },
  {
    name: 'SIGNUP_PLAN',
    example: 'free',
    allowed: 'names of plans, comma-separated',
    about: 'the plans a customer may choose at the sign-up; the first is the default',
  },
  {
    name: 'SIGNUP_TRIAL',
    example: 'on',
    allowed: 'on or off',
    about: 'whether what signs up is a trial, which ends after the trial_days of its plan',
  },
];

export function readSignup(from: EnvReader, { demo }: { demo: boolean }): SignupEnv {
  const signupPlans = (from.text('SIGNUP_PLAN') ?? 'free').split(',').map((part) => part.trim());
  if (signupPlans.some((plan) => !/^[a-z][a-z0-9-]*$/.test(plan))) from.wrong('SIGNUP_PLAN');
  return {
    signup: from.oneOf('SIGNUP', ['open', 'invite', 'closed'], demo ? 'open' : 'closed'),
    signupPlans,
    signupTrial: from.onOrOff('SIGNUP_TRIAL', true),
  };
}
