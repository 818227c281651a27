import type { Occurrence, Override } from "../recurrence.ts";

/** An occurrence of `length` as its override has it. */
export function withOverride(
  { occurrence, startsAt = occurrence, endsAt, location }: Override,
  length: number,
): Occurrence {
  return { occurrence, startsAt, endsAt: endsAt ?? startsAt + length, location: location ?? null };
}
