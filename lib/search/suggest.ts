import type { Entry } from "./entry.ts";
import { nameRank } from "./match.ts";
import { type Hit, pageOf } from "./page.ts";
import type { AnalyzedQuery } from "./query.ts";
import { findSpelled, hasInitials, lettersOf } from "./sound.ts";
import { allowedTypos, Misspelling } from "./typos.ts";

/** More than any popularity. */
const NEARER = 1e12;

/**
 * How a name answers what was typed so far: 3 it is the name, 2 the name begins with it (as written, in pinyin or by
 * initials), 1 it stands within, 0 not at all.
 */
function nearness(entry: Entry, query: AnalyzedQuery): number {
  const rank = nameRank(entry, query);
  if (rank === 5) return 3;
  if (rank >= 3) return 2;
  if (rank === 2) return 1;
  if (query.words) {
    if (hasInitials(entry.sound, query.sound) !== "name") return 0;
    return entry.sound.acronym.startsWith(query.sound) ? 2 : 1;
  }
  // Half converted by the input method: 读书xie.
  const mixed = query.clauses.some((clause) => clause.kind === "word");
  return mixed && within(entry, query.sound) ? 1 : 0;
}

function within(entry: Entry, sound: string): boolean {
  const at = findSpelled(entry.sound, sound);
  return at >= 0 && at < entry.sound.nameEnd;
}

/** Tells names that are one typo from the query, or the same sound in other characters. */
function guesser(query: AnalyzedQuery): (entry: Entry) => boolean {
  const typos = Math.min(1, allowedTypos(query.plain.length));
  const letters = lettersOf(query.sound);
  const misspelling = new Misspelling(query.words ? query.sound : query.plain, typos);
  return (entry) => {
    const { sound, plain } = entry;
    if (!query.words) {
      if (query.plain.length > 1 && within(entry, query.sound)) return true;
      return typos > 0 && misspelling.endIn(plain, "1".repeat(plain.length + 1), false) >= 0;
    }
    const missing = letters & ~sound.letters;
    if (typos === 0 || (missing & (missing - 1)) !== 0) return false;
    const end = misspelling.endIn(sound.text, sound.marks, false);
    return end >= 0 && end <= sound.nameEnd;
  };
}

/** The names to suggest for what was typed: the nearest first, among those as near the popular ones. */
export function suggestFrom(entries: (Entry | undefined)[], query: AnalyzedQuery, limit: number): Entry[] {
  if (query.plain === "") return [];
  const collect = (near: (entry: Entry) => number): Hit[] =>
    entries.flatMap((entry, slot) => {
      const value = entry === undefined ? 0 : near(entry);
      return entry === undefined || value === 0
        ? []
        : [{ entry, slot, key: value * NEARER + entry.document.popularity }];
    });
  let hits = collect((entry) => nearness(entry, query));
  if (hits.length === 0) {
    const isNear = guesser(query);
    hits = collect((entry) => (isNear(entry) ? 1 : 0));
  }
  return pageOf(hits, limit, undefined).page.map(({ entry }) => entry);
}
