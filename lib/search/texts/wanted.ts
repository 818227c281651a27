/** What each clause of a query asks of a text, for every engine alike. */
import type { Mode } from "../match.ts";
import type { AnalyzedQuery, Clause } from "../query.ts";
import { HEARD, syllablesOf } from "../syllables.ts";
import { allowedTypos } from "../typos.ts";

/** Shorter words begin too many others. */
const OPEN = 3;
/** The letters of the two longest syllables, and two typos. */
const LONGEST_SOUND = 14;

export interface Wanted {
  kind: Clause["kind"];
  text: string;
  /** Words that begin with it count too. */
  open: boolean;
  /** Ways to hear it in a title: sounds that all must be there, of which the last may go on. */
  heard: string[][];
  /** Sounds of which one will do, exactly. */
  homophones: string[];
  /** How many typos a word may have; more than 0 only where the query is taken loosely. */
  typos: number;
  /** A sound that may have them too. */
  nearSound: string | null;
}

/** Pairs of neighbouring syllables; two or fewer are one term or its beginning, however they are told apart. */
function waysToHear(letters: string): string[][] {
  if (letters.length < HEARD) return [];
  const ways = syllablesOf(letters);
  const long = ways.filter((way) => way.length > 2);
  return [
    ...(long.length < ways.length ? [[letters]] : []),
    ...long.map((way) => way.slice(1).map((syllable, i) => `${way[i] ?? ""}${syllable}`)),
  ];
}

/** Each clause of a query as a mode takes it. */
export function wantedOf({ clauses }: AnalyzedQuery, { typos }: Mode): Wanted[] {
  return clauses.map(({ kind, text, sounds, open }) => {
    if (kind !== "word")
      return {
        kind,
        text,
        open: false,
        heard: [],
        homophones: typos ? sounds : [],
        typos: 0,
        nearSound: null,
      };
    const letters = sounds[0] ?? text;
    const allowed = typos ? allowedTypos(text.length) : 0;
    const spelled = allowed > 0 && letters.length <= LONGEST_SOUND && /^[a-z]+$/.test(letters);
    return {
      kind,
      text,
      open: open && text.length >= OPEN,
      heard: waysToHear(letters),
      homophones: [],
      typos: allowed,
      nearSound: spelled ? letters : null,
    };
  });
}
