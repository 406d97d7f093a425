import { UploadsRunning } from './file.errors.js';

/** Uploads of one tenant at once in a process: each holds a few MiB, or a file. */
const MOST = 8;

/** Keeps one tenant's uploads from taking what those of others need. */
export class UploadSlots {
  private readonly running = new Map<string, number>();

  /** @throws UploadsRunning */
  async during<T>(tenantId: string, work: () => Promise<T>): Promise<T> {
    const before = this.running.get(tenantId) ?? 0;
    if (before >= MOST) throw new UploadsRunning(MOST);
    this.running.set(tenantId, before + 1);
    try {
      return await work();
    } finally {
      const left = (this.running.get(tenantId) ?? 1) - 1;
      if (left > 0) this.running.set(tenantId, left);
      else this.running.delete(tenantId);
    }
  }
}
