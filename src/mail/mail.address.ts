import { AppError, isMailAddress } from '../common/index.js';

export { isMailAddress, oneLine } from '../common/index.js';

export interface MailRecipient {
  address: string;
  name?: string;
}

/** @throws AppError 422 unless it is exactly one mail address */
export function checkAddress(address: string): string {
  if (isMailAddress(address)) return address;
  throw new AppError({
    status: 422,
    code: 'mail_address_invalid',
    detail: 'This is not a mail address that can be written to.',
    remedy: 'Give one address such as name@example.com.',
  });
}
