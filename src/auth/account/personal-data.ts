import { Injectable } from '@nestjs/common';
import type { Page } from '../../common/index.js';

/** What becomes of what a deleted user wrote. */
export type MessagesOfTheDeleted = 'anonymise' | 'remove';

/** What one module holds of a person. */
export interface PersonalDataSection {
  /** Its member in the download. */
  name: string;
  /** One page of it. `next_cursor` is whatever the section wants to see again; it never leaves the process. */
  page?: (userId: string, cursor: string | undefined) => Promise<Page<unknown>>;
  /** Called in the transaction that deletes the user, before the user's row and all that goes with it does. */
  forget?: (userId: string, messages: MessagesOfTheDeleted) => Promise<void>;
}

/** Port: modules that hold something of a person register it when they start. */
@Injectable()
export class PersonalData {
  private readonly held: PersonalDataSection[] = [];

  register(section: PersonalDataSection): void {
    if (this.held.some(({ name }) => name === section.name)) {
      throw new Error(`Personal data ${section.name} is registered twice.`);
    }
    this.held.push(section);
  }

  sections(): readonly PersonalDataSection[] {
    return this.held;
  }
}
