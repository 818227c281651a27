/** Queries of Elasticsearch that find and weigh as lib/search/match.ts does. */
import type { estypes } from "@elastic/elasticsearch";
import type { SearchQuery } from "../../lib/search/index.ts";
import type { Mode } from "../../lib/search/match.ts";
import type { AnalyzedQuery, Clause } from "../../lib/search/query.ts";
import { allowedTypos } from "../../lib/search/typos.ts";
import { BOOSTS, FIELDS } from "./elastic-document.ts";

export type Query = estypes.QueryDslQueryContainer;

/** As in lib/search/match.ts: how good a match by sound is, and what further fields add to the best. */
const [SPELLED, INITIALS, GUESSED, REST] = [0.7, 0.45, 0.3, 0.2];
/** More than all clauses together can weigh; the name's rank, or how many clauses match, counts in steps of it. */
const STEP = 4096;
/** Longer ones are not compared with typos. */
const LONGEST = 29;
/** Words that begin with one that is asked for, or are near it, are all found; so many of all the query are weighed. */
const WEIGHED = 80;
/** What is heard counts among what earlier clauses found, as embedded; of more clauses that would be too much to ask. */
const CHAINED = 4;

const ACTIVE: Query = { term: { active: true } };
const anyOf = (should: Query[]): Query => ({ bool: { should, minimum_should_match: 1 } });
const allOf = (filter: Query[]): Query => ({ bool: { filter } });
const constant = (filter: Query, boost: number): Query => ({ constant_score: { filter, boost } });
const best = (queries: Query[], boost = 1): Query => ({ dis_max: { queries, tie_breaker: 0, boost } });
const prefix = (field: string, value: string): Query => ({ prefix: { [field]: { value } } });
const term = (field: string, value: string): Query => ({ term: { [field]: { value } } });
const near = (
  field: string,
  value: string,
  fuzziness: number,
  rewrite = "constant_score",
  boost = 1,
): Query => ({ fuzzy: { [field]: { value, fuzziness, transpositions: true, rewrite, boost } } });
const escaped = (text: string): string => text.replace(/[.?+*|{}[\]()"\\#@&<>~^$-]/g, "\\$&");
const inside = (plain: string): Query => ({
  wildcard: { plain: { value: `*${plain.replace(/[*?\\]/g, "\\$&")}*` } },
});

/** The ways to hear a sound in the name and the tags, with what each weighs. */
function heard(sound: string, open: boolean, typos: number): Query[] {
  const [name, tags] = [BOOSTS.name, BOOSTS.tags];
  if (sound === "" || (typos > 0 && sound.length > LONGEST)) return [];
  if (typos > 0 || !open) {
    const stretch = (field: string): Query => (typos > 0 ? near(field, sound, typos) : term(field, sound));
    return [constant(stretch("nameSpans"), name * GUESSED), constant(stretch("tagSpans"), tags * GUESSED)];
  }
  // A single letter is the beginning of too many syllables.
  if (sound.length === 1)
    return [
      constant(prefix("sound", sound), name * SPELLED),
      constant(term("acronym", sound), name * INITIALS),
    ];
  return [
    constant(prefix("nameEnds", sound), name * SPELLED),
    constant(prefix("tagEnds", sound), tags * SPELLED),
    constant((sound.length > 2 ? prefix : term)("acronym", sound), name * INITIALS),
    constant(prefix("nameInitials", sound), name * INITIALS),
    constant(prefix("tagInitials", sound), tags * INITIALS),
  ];
}

/** As written, in each field by what it counts. */
function written({ kind, text, open }: Clause, rewrite: string): Query[] {
  return FIELDS.flatMap((field): Query[] => {
    const boost = BOOSTS[field];
    if (kind === "character") return [{ term: { [`c_${field}`]: { value: text, boost } } }];
    const exact: Query = { term: { [`t_${field}`]: { value: text, boost } } };
    if (kind === "pair" || !open) return [exact];
    const quality = 0.5 + (0.3 * text.length) / (text.length + 4);
    const longer = { value: `${escaped(text)}.+`, rewrite, boost: boost * quality };
    return [exact, { regexp: { [`t_${field}`]: longer } }];
  });
}

/** As {@link written}, only to find: every word counts, however many there are. */
function writtenFilter({ kind, text, open }: Clause): Query[] {
  return FIELDS.map((field) => {
    if (kind === "character") return term(`c_${field}`, text);
    return (kind === "word" && open ? prefix : term)(`t_${field}`, text);
  });
}

function guessed(clause: Clause, rewrite: string): { found: Query[]; weighed: Query[]; sounds: Query[] } {
  if (clause.kind !== "word")
    return { found: [], weighed: [], sounds: clause.sounds.flatMap((sound) => heard(sound, false, 0)) };
  const typos = allowedTypos(clause.text.length);
  if (typos === 0) return { found: [], weighed: [], sounds: [] };
  return {
    found: FIELDS.map((field) => near(`t_${field}`, clause.text, typos)),
    weighed: FIELDS.map((field) => near(`t_${field}`, clause.text, typos, rewrite, 0.4 * BOOSTS[field])),
    sounds: heard(clause.sounds[0] ?? clause.text, true, typos),
  };
}

/** One thing that is asked for: what finds it, and what weighs it. */
export interface Part {
  filter: Query;
  weight: (rarity: number) => Query;
}

/** The query as one: "du shu" is also "dushu". */
function whole(query: AnalyzedQuery, mode: Mode): Part | null {
  if (query.clauses.every((clause) => clause.text === query.plain)) return null;
  if (!query.words && !mode.typos) return null;
  const typos = query.words && mode.typos ? allowedTypos(query.plain.length) : 0;
  const sounds = heard(query.sound, query.words, typos);
  return sounds.length === 0 ? null : { filter: anyOf(sounds), weight: (rarity) => best(sounds, rarity) };
}

export interface Plan {
  mode: Mode;
  parts: Part[];
  whole: Part | null;
  /** The documents that match. */
  filter: Query;
}

/** @param found how many documents each clause finds as written; where any will do only the others are guessed at */
export function planOf(query: AnalyzedQuery, mode: Mode, found?: number[]): Plan {
  const clauses = query.clauses.toSorted((a, b) => Number(a.kind === "word") - Number(b.kind === "word"));
  const before: Query[] = [];
  const rewrite = `top_terms_${Math.ceil(WEIGHED / clauses.length)}`;
  const chained = mode.all && clauses.length <= CHAINED;
  const parts = clauses.map((clause, i): Part => {
    const guess = mode.typos && (mode.all || !found?.[i]) ? guessed(clause, rewrite) : null;
    const sounds = [
      ...(clause.kind === "word" ? heard(clause.sounds[0] ?? clause.text, true, 0) : []),
      ...(guess?.sounds ?? []),
    ];
    const listens = sounds.length > 0 ? [allOf([...(chained ? before : []), anyOf(sounds)])] : [];
    const filter = anyOf([...writtenFilter(clause), ...(guess?.found ?? []), ...listens]);
    before.push(anyOf([...writtenFilter(clause), ...(guess?.found ?? []), ...sounds]));
    const queries = [
      ...written(clause, rewrite),
      ...(guess?.weighed ?? []),
      ...(listens.length > 0 ? [best(sounds)] : []),
    ];
    return { filter, weight: (boost) => ({ dis_max: { queries, tie_breaker: REST, boost } }) };
  });
  const one = whole(query, mode);
  const filters = parts.map(({ filter }) => filter);
  const matched = mode.all ? allOf(filters) : anyOf(filters);
  return { mode, parts, whole: one, filter: one ? anyOf([matched, one.filter]) : matched };
}

function within({ category, tag }: Pick<SearchQuery, "category" | "tag">): Query[] {
  return [
    ACTIVE,
    ...(category === undefined ? [] : [term("category", category)]),
    ...(tag === undefined ? [] : [term("tags", tag)]),
  ];
}

/** Counts what a plan finds within what is asked for ("hits"), and each of its parts among all. */
export function countsOf(plan: Plan, asked: SearchQuery): estypes.SearchRequest {
  const filters: Record<string, Query> = { hits: allOf([...within(asked), plan.filter]) };
  plan.parts.forEach(({ filter }, i) => (filters[`${i}`] = filter));
  if (plan.whole) filters["whole"] = plan.whole.filter;
  return {
    size: 0,
    track_total_hits: true,
    query: allOf([ACTIVE]),
    aggs: { counts: { filters: { filters } } },
  };
}

/** How the whole query stands in the name, as nameRank() of lib/search/match.ts. */
function ranks({ plain, sound, words }: AnalyzedQuery): Query {
  return best([
    constant(term("plain", plain), 5 * STEP),
    constant(prefix("plain", plain), 4 * STEP),
    ...(words ? [constant(prefix("sound", sound), 3 * STEP)] : [constant(inside(plain), 2 * STEP)]),
    ...(words && sound.length > 1 ? [constant(term("acronym", sound), 3 * STEP)] : []),
    ...(words ? [constant(prefix("nameEnds", sound), 2 * STEP)] : []),
    constant({ match_all: {} }, STEP),
  ]);
}

const SCORE = `double steps = Math.floor(_score / params.step);
double total = _score - steps * params.step;
double rank = 0;
if (params.loose) { total *= Math.min(1, steps / params.clauses); } else { rank = steps; }
double p = Math.max(0, doc['popularity'].value);
return rank + 0.999 * total / (total + 100) + 0.001 * p / (p + 50);`;

/** @param rarities of the plan's parts, and of the whole query */
export function requestOf(
  query: AnalyzedQuery,
  { mode, parts, whole: one, filter }: Plan,
  rarities: { parts: number[]; whole: number },
  asked: SearchQuery,
): estypes.SearchRequest {
  const should = [
    ...parts.map((part, i) => part.weight(rarities.parts[i] ?? 0)),
    ...(one ? [one.weight(rarities.whole)] : []),
    ...(mode.typos ? [] : [ranks(query)]),
    ...(mode.all ? [] : parts.map((part) => constant(part.filter, STEP))),
    ...(one && !mode.all ? [constant(one.filter, STEP * parts.length)] : []),
  ];
  const key = { relevance: "_score", popular: "popularity", new: "createdAt" }[asked.sort];
  const params = { step: STEP, loose: !mode.all, clauses: parts.length };
  const facet = (field: string): estypes.AggregationsAggregationContainer => ({
    terms: { field, size: 20, order: [{ _count: "desc" }, { _key: "asc" }] },
  });
  return {
    size: asked.limit + 1,
    track_total_hits: true,
    track_scores: true,
    _source: ["document"],
    query: {
      script_score: {
        query: { bool: { filter: [...within(asked), filter], should } },
        script: { source: SCORE, params },
      },
    },
    sort: [{ [key]: { order: "desc" } }, { id: { order: "desc" } }],
    ...(asked.after && { search_after: [asked.after.key, asked.after.id] }),
    aggs: { category: facet("category"), tag: facet("tags") },
  };
}

/** The names to suggest: the nearest first, then the popular ones; `loose` with a typo, or by the same sound. */
export function suggestionsOf(query: AnalyzedQuery, loose: boolean, limit: number): estypes.SearchRequest {
  return {
    size: limit,
    _source: ["document"],
    query: { bool: { filter: [ACTIVE], must: [best(loose ? nearTiers(query) : tiers(query))] } },
    sort: [{ _score: { order: "desc" } }, { popularity: { order: "desc" } }, { id: { order: "desc" } }],
  };
}

function tiers({ plain, sound, words, clauses }: AnalyzedQuery): Query[] {
  const written: Query[] = [constant(term("plain", plain), 3), constant(prefix("plain", plain), 2)];
  if (!words) {
    const mixed = clauses.some(({ kind }) => kind === "word");
    return [
      ...written,
      constant(inside(plain), 1),
      ...(mixed ? [constant(prefix("nameEnds", sound), 1)] : []),
    ];
  }
  return [
    ...written,
    constant(prefix("sound", sound), 2),
    constant((sound.length > 2 ? prefix : term)("acronym", sound), 2),
    constant(prefix("nameEnds", sound), 1),
    ...(sound.length > 1 ? [constant(prefix("nameInitials", sound), 1)] : []),
  ];
}

function nearTiers({ plain, sound, words }: AnalyzedQuery): Query[] {
  const typos = Math.min(1, allowedTypos(plain.length));
  const spelled = typos > 0 && sound.length <= LONGEST ? [constant(near("nameSpans", sound, typos), 1)] : [];
  const alike = !words && plain.length > 1 ? [constant(prefix("nameEnds", sound), 1)] : [];
  const found = [...spelled, ...alike];
  return found.length > 0 ? found : [{ match_none: {} }];
}
