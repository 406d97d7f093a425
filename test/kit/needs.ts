/**
 * Whether the machine has what a suite needs. In CI nothing may be missing, so that a suite cannot vanish unnoticed.
 *
 * @param found what was found
 * @param hint how to provide it
 * @throws Error in CI, when nothing was found
 */
export function machineHas<T>(found: T | undefined, hint: string): found is T {
  if (found !== undefined) return true;
  if (process.env['CI']) throw new Error(`Required in CI: ${hint}`);
  console.warn(`Skipped: ${hint}`);
  return false;
}
