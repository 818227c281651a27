/** A club as Elasticsearch keeps it: the terms that the embedded index would make, so that no analyzer is needed. */
import { analyzeDocument, TAGS } from "../../lib/search/entry.ts";
import { fold } from "../../lib/search/fold.ts";
import type { SearchDocument } from "../../lib/search/index.ts";
import { type Unit, unitsOf } from "../../lib/search/sound.ts";
import { pairs, type Token, tokens } from "../../lib/search/tokens.ts";
import type { Stored } from "./elastic-index.ts";

/** Searched fields with what a match in them counts. */
export const BOOSTS = { name: 5, tags: 3, summary: 2, category: 1, description: 1 };
export const FIELDS = Object.keys(BOOSTS) as (keyof typeof BOOSTS)[];
/** Stands for the end of a run in a pair. */
const END = "$";
/** Letters of the longest stretch that is compared with typos: 29 of the query and 2 typos. */
const LONGEST = 31;

const keyword = { type: "keyword" as const };
const KEYWORDS = ["plain", "sound", "acronym", "category", "tags", "id"].concat(
  ["name", "tag"].flatMap((of) => [`${of}Ends`, `${of}Spans`, `${of}Initials`]),
);

export const SETTINGS = {
  number_of_shards: 1,
  auto_expand_replicas: "0-1",
  similarity: {
    // As lib/search/terms.ts weighs, in the same 32 steps.
    weighed: {
      type: "scripted" as const,
      script: {
        source:
          "double w = doc.freq / (doc.freq + 0.3 + 0.035 * doc.length); return query.boost * (Math.min(31, Math.floor(w * 32)) + 1) / 32;",
      },
    },
  },
};

const text = { type: "text" as const, analyzer: "whitespace", similarity: "weighed" };

/** Works on Elasticsearch 8 and OpenSearch 2 as they come, without plugins. */
export const MAPPINGS = {
  dynamic: false as const,
  properties: {
    ...Object.fromEntries(KEYWORDS.map((name) => [name, keyword])),
    ...Object.fromEntries(FIELDS.flatMap((name) => [`t_${name}`, `c_${name}`].map((field) => [field, text]))),
    active: { type: "boolean" as const },
    popularity: { type: "long" as const },
    createdAt: { type: "long" as const },
    document: { type: "object" as const, enabled: false },
  },
};

export interface StoredClub extends Stored {
  document: SearchDocument;
}

/** Words and pairs of neighbours, or words and single characters. */
function terms(found: Token[], single: boolean): string {
  return found
    .flatMap((token) =>
      token.kind === "word"
        ? [token.text]
        : pairs(token.text).map(([first, second]) => (single ? first : first + (second || END))),
    )
    .join(" ");
}

const spoken = (units: Unit[]): string => units.map(({ text: letters }) => letters).join("");

/** From each unit to the end, and to the end of each later one; runs of initials of Chinese. */
function stretches(units: Unit[]): { ends: string[]; spans: string[]; initials: string[] } {
  const ends = units.map((_, i) => spoken(units.slice(i)));
  const spans = units.flatMap((_, i) => {
    const found: string[] = [];
    let stretch = "";
    for (const unit of units.slice(i)) {
      stretch += unit.text;
      if (stretch.length > LONGEST) break;
      found.push(stretch);
    }
    return found;
  });
  const letters = units.map((unit) => (unit.kind === "run" ? (unit.text[0] ?? "") : "\t")).join("");
  const initials = units.map((_, i) => letters.slice(i).split("\t")[0] ?? "").filter((run) => run.length > 1);
  return { ends, spans, initials };
}

const unique = (values: string[]): string[] => [...new Set(values)];

/** What is stored for a club. */
export function storedOf(document: SearchDocument): StoredClub {
  const { fields, plain, sound } = analyzeDocument(document, FIELDS, "name");
  const name = stretches(unitsOf(fields.get("name") ?? []));
  const tags = document.tags.map((tag) => stretches(unitsOf(tokens(fold(tag)))));
  const createdAt = Date.parse(document.createdAt);
  return {
    active: true,
    id: document.id,
    document,
    category: document.category || undefined,
    [TAGS]: unique(document.tags),
    popularity: document.popularity,
    createdAt: Number.isNaN(createdAt) ? 0 : createdAt,
    plain,
    sound: sound.text.slice(0, sound.nameEnd),
    acronym: sound.acronym,
    nameEnds: unique(name.ends),
    nameSpans: unique(name.spans),
    nameInitials: unique(name.initials),
    tagEnds: unique(tags.flatMap(({ ends }) => ends)),
    tagSpans: unique(tags.flatMap(({ spans }) => spans)),
    tagInitials: unique(tags.flatMap(({ initials }) => initials)),
    ...Object.fromEntries(
      FIELDS.flatMap((field) => [
        [`t_${field}`, terms(fields.get(field) ?? [], false)],
        [`c_${field}`, terms(fields.get(field) ?? [], true)],
      ]),
    ),
  };
}
