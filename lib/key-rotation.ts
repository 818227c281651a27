/**
 * Replacing signing keys without a refused token, in three steps with a restart of the nodes after each: the new key is
 * known to all before it signs, and the old one is known until what it has signed is over. How far it has come is in the
 * set itself, in members of its keys that RFC 7517 lets everybody add.
 */
import { generateKeySet, parseKeySet } from "./keys.ts";
import type { Jwk, JwkSet } from "./keys.ts";

/** Milliseconds after a key has stopped signing: twice the longest token's life (an administrator's session). */
export const RETIRED_FOR = 60 * 60_000;
/** Milliseconds after a key was added: nodes are restarted one after another meanwhile. */
export const KNOWN_FOR = 5 * 60_000;

/** When it was put in, and when it signed no longer (milliseconds). */
interface Dated extends Jwk {
  added?: number;
  retired?: number;
}

export type Step =
  | { step: "added" | "signs"; set: JwkSet }
  | { step: "removed"; set: JwkSet; removed: string[] }
  /** Nothing is changed before then. */
  | { step: "wait"; until: number; why: "known" | "retired" };

/**
 * The next step of a set's rotation. Throws as `parseKeySet` does.
 * @param text the set
 * @param name of the file, for its errors
 */
export function nextStep(text: string, name: string, now: number): Step {
  const [{ algorithm }] = parseKeySet(text, name);
  const { keys } = JSON.parse(text) as { keys: [Dated, ...Dated[]] };
  const [first, ...others] = keys;
  // One that was put back, so that it verifies what it has signed long ago, is older than the one that signs.
  const since = first.added ?? -Infinity;
  const coming = others.find(({ added = -Infinity, retired }) => added > since && retired === undefined);
  if (coming?.added !== undefined) {
    const until = coming.added + KNOWN_FOR;
    if (now < until) return { step: "wait", until, why: "known" };
    const rest = others.filter((key) => key !== coming);
    return { step: "signs", set: { keys: [coming, { ...first, retired: now }, ...rest] } };
  }
  const old = others.filter(({ retired }) => retired !== undefined);
  const [newest] = old.map(({ retired }) => retired as number).toSorted((a, b) => b - a);
  if (newest !== undefined) {
    const until = newest + RETIRED_FOR;
    if (now < until) return { step: "wait", until, why: "retired" };
    const kept = others.filter((key) => !old.includes(key));
    return { step: "removed", set: { keys: [first, ...kept] }, removed: old.map(({ kid }) => kid ?? "") };
  }
  const made: Dated[] = generateKeySet(algorithm).keys.map((key) => ({ ...key, added: now }));
  return { step: "added", set: { keys: [...keys, ...made] } };
}
