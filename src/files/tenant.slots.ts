/** Bounds what one tenant does at once in this process, so that it does not take what others need. */
export class TenantSlots {
  private readonly taken = new Map<string, number>();

  /** @param full what is thrown when there is none left */
  constructor(
    private readonly most: number,
    private readonly full: (most: number) => Error,
  ) {}

  /** @returns what gives the slot back; more than once is as good as once */
  take(tenantId: string): () => void {
    const before = this.taken.get(tenantId) ?? 0;
    if (before >= this.most) throw this.full(this.most);
    this.taken.set(tenantId, before + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.taken.get(tenantId) ?? 1) - 1;
      if (left > 0) this.taken.set(tenantId, left);
      else this.taken.delete(tenantId);
    };
  }
}
