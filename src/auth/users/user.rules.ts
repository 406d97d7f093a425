import { Matches, ValidateBy } from 'class-validator';
import { isMailAddress } from '../../mail/index.js';

/** For a field of a body: one mail address, spaces around it forgiven. */
export const IsEmailAddress = () =>
  ValidateBy({
    name: 'isEmailAddress',
    validator: {
      validate: (value) => typeof value === 'string' && value.length <= 300 && isMailAddress(value.trim()),
      defaultMessage: () => 'must be one mail address such as name@example.com',
    },
  });

/** For a field of a body: what a person is called, in one line. */
export const IsPersonName = () =>
  Matches(/^(?=.*\S)[^\p{Cc}\p{Zl}\p{Zp}]{1,100}$/u, { message: 'must be a text of 1 to 100 characters in one line' });

/** For a field of a body: what may be the name of a role; whether there is one is for the database to say. */
export const IsRoleName = () => Matches(/^[a-z][a-z0-9-]{0,62}$/, { message: 'must be the name of a role' });
