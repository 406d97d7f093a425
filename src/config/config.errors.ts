import { AppError } from '../common/index.js';

export class UnknownSetting extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'setting_unknown',
      detail: 'There is no such setting.',
      remedy: 'The list of settings has them all.',
    });
  }
}

/** Of a setting that is left to owners or to the platform. */
export class SettingNotYours extends AppError {
  /** @param faults keys that the caller may not change, with who may */
  constructor(faults: { pointer: string; changedBy: string }[]) {
    super({
      status: 403,
      code: 'setting_not_yours',
      detail: 'You may not change this setting.',
      remedy: 'Ask whom `errors` names, or leave it out.',
      errors: faults.map(({ pointer, changedBy }) => ({ pointer, detail: `is for ${EDITORS[changedBy]} to change` })),
    });
  }
}

export class UnknownSettingChange extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'setting_change_unknown',
      detail: 'The history of this setting has no such change.',
      remedy: "Take the id of one of the history's items.",
    });
  }
}

const EDITORS: Record<string, string> = {
  platform: 'the platform',
  owner: 'an owner of the tenant',
  admin: 'an admin',
};
