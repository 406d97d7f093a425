/** Whether a statement failed because another row is there already. @param constraint the name of what forbids two */
export function isDuplicateOf(constraint: string, error: unknown): boolean {
  const { driverError } = error as { driverError?: { code?: string; constraint?: string } };
  return driverError?.code === '23505' && driverError.constraint === constraint;
}
