import { Inject, Injectable } from '@nestjs/common';
import { ValidationFailed } from '../common/index.js';
import { ENV } from '../database/index.js';
import { type Env, EnvError } from '../env/index.js';
import { type Plan, PLANS } from '../tenant/index.js';
import { InviteRefused, SignupClosed } from './signup.errors.js';

const isPlan = (name: string): name is Plan => (PLANS as readonly string[]).includes(name);

/** Who may sign up, and for what. */
@Injectable()
export class SignupPolicy {
  readonly trial: boolean;
  private readonly mode: Env['signup'];
  private readonly plans: Plan[];

  constructor(@Inject(ENV) env: Env) {
    const unknown = env.signupPlans.filter((name) => !isPlan(name));
    if (unknown.length > 0) {
      throw new EnvError([`SIGNUP_PLAN="${unknown.join(',')}" is not allowed; use ${PLANS.join(', ')}.`]);
    }
    this.mode = env.signup;
    this.plans = env.signupPlans.filter(isPlan);
    this.trial = env.signupTrial;
  }

  /** @throws SignupClosed; InviteRefused when it takes a code and there is none */
  demand(invite: string | undefined): void {
    if (this.mode === 'closed') throw new SignupClosed();
    if (this.mode === 'invite' && invite === undefined) throw new InviteRefused();
  }

  /**
   * @param asked by the customer
   * @param given by the invite, and then it is that one
   * @throws ValidationFailed for a plan that is not to be had
   */
  plan(asked: string | undefined, given: Plan | undefined): Plan {
    const plans = given === undefined ? this.plans : [given];
    const plan = plans.find((name) => asked === undefined || name === asked);
    if (plan) return plan;
    throw new ValidationFailed([{ pointer: '/plan', detail: `must be one of ${plans.join(', ')}` }]);
  }
}
