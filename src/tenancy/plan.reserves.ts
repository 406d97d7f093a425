/** How many of something stay free for tenants of a plan, by plan. */
export type Reserve = ReadonlyMap<string, number>;

/** Port: what plans reserve in this process. The tenant slice implements it. Asked on hot paths, so it answers at once. */
export abstract class PlanReserves {
  /** Database connections, of each budget. */
  abstract get connections(): Reserve;
  /** Places among the events, and among the jobs of each name, that are worked at the same time. */
  abstract get workers(): Reserve;
}

/**
 * How many more somebody of `plan` may take. Whatever is reserved, one is left to those who have nothing reserved: of
 * plans that reserve more than there is, the first have it.
 *
 * @param max how many there are
 * @param busy how many are taken, by plan; undefined: by whoever has none
 */
export function roomFor(
  plan: string | undefined,
  max: number,
  busy: ReadonlyMap<string | undefined, number>,
  reserve: Reserve,
): number {
  let free = max;
  for (const taken of busy.values()) free -= taken;
  let left = max - 1;
  for (const [other, wanted] of reserve) {
    const reserved = Math.min(wanted, left);
    left -= reserved;
    if (other !== plan) free -= Math.max(0, reserved - (busy.get(other) ?? 0));
  }
  return Math.max(0, free);
}
