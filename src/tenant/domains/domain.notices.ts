/** Port: tells the people of the current tenant. The domains slice, which knows them, implements it. */
export abstract class DomainNotices {
  /** In the current unit of work: the proof of a domain has been missing for too long. */
  abstract disabled(notice: { domain: string; recordName: string; recordValue: string }): Promise<void>;
}
