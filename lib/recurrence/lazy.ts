/** The first of `values`; nothing is asked of it after that. */
export function first<T>(values: Iterable<T>): T | null {
  const [value = null] = values;
  return value;
}

/** The first `limit` of them. */
export function take<T>(values: Iterable<T>, limit: number): T[] {
  const taken: T[] = [];
  if (limit <= 0) return taken;
  for (const value of values) if (taken.push(value) >= limit) break;
  return taken;
}
