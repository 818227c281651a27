/** The index of posts on Elasticsearch: the terms that the embedded index makes, found and weighed as it does. */
import type { estypes } from "@elastic/elasticsearch";
import { modesFor } from "../../lib/search/match.ts";
import { type AnalyzedQuery, analyzeQuery } from "../../lib/search/query.ts";
import { EXCERPT, highlightsOf } from "../../lib/search/texts/highlights.ts";
import type { Shown, TextQuery, TextResult } from "../../lib/search/texts/index.ts";
import { OFTEN, TAGS, termsOf, TITLE, WEIGHTS } from "../../lib/search/texts/terms.ts";
import { type Wanted, wantedOf } from "../../lib/search/texts/wanted.ts";
import type { PostRecord } from "../posts/posts.contract.ts";
import type { Elastic } from "./elastic-client.ts";
import { ElasticIndex, type Kind, type Stored, totalOf } from "./elastic-index.ts";
import type { PostEngine } from "./post-index.ts";
import { textOf } from "./post-index.ts";

type Query = estypes.QueryDslQueryContainer;

interface StoredPost extends Stored {
  document: Shown;
}

const keyword = { type: "keyword" as const };
/**
 * A term of `all` is repeated by what it counts, in halves above the 1 of a term that is only written; so that one look
 * at it finds and weighs.
 */
const weighed = {
  type: "text" as const,
  analyzer: "whitespace",
  similarity: "repeated",
  index_options: "freqs" as const,
  norms: false,
};
/** Whether a term is there, and no more: a document counts the same however often and among however many it has it. */
const terms = {
  type: "text" as const,
  analyzer: "whitespace",
  similarity: "boolean",
  index_options: "docs" as const,
  norms: false,
};

const MAPPINGS: estypes.MappingTypeMapping = {
  dynamic: false,
  // The terms can be made again from the posts: to store them would take twice as much room.
  _source: { includes: ["document.*"] },
  properties: {
    all: weighed,
    title: terms,
    often: terms,
    tagged: terms,
    sounds: terms,
    plain: keyword,
    tags: keyword,
    clubId: keyword,
    id: keyword,
    active: { type: "boolean" },
    document: { type: "object", enabled: false },
  },
};

const KIND: Kind<PostRecord> = {
  name: "posts",
  mappings: MAPPINGS,
  settings: {
    number_of_shards: 1,
    auto_expand_replicas: "0-1",
    similarity: {
      repeated: { type: "scripted", script: { source: "return query.boost * (1 + (doc.freq - 1) / 2);" } },
    },
  },
  // Of up to 50,000 characters each.
  batch: 50,
  idOf: ({ id }) => id,
  storedOf: (post) => ({ version: post.version, stored: post.shown ? storedOf(post) : { active: false } }),
};

/** What a term counts beyond being written. */
function weightOf(flags: number): number {
  return (
    (flags & TITLE ? WEIGHTS.title : 0) +
    (flags & TAGS ? WEIGHTS.tags : 0) +
    (flags & OFTEN ? WEIGHTS.often : 0)
  );
}

function storedOf(post: PostRecord): StoredPost {
  const document = textOf(post);
  const { words, pairs, sounds, plain } = termsOf(document);
  const all = [...words, ...pairs];
  const having = (flag: number): string =>
    all.flatMap(([term, flags]) => (flags & flag ? [term] : [])).join(" ");
  return {
    active: true,
    id: document.id,
    clubId: document.clubId,
    tags: [...new Set(document.tags)],
    all: all.map(([term, flags]) => `${term} `.repeat(1 + 2 * weightOf(flags))).join(""),
    title: having(TITLE),
    tagged: having(TAGS),
    often: having(OFTEN),
    sounds: [...sounds].join(" "),
    plain,
    document: { title: document.title, text: document.text.slice(0, EXCERPT) },
  };
}

export class ElasticPosts extends ElasticIndex<PostRecord> implements PostEngine {
  constructor(elastic: Elastic, namespace: string, onLost: () => void) {
    super(elastic, namespace, KIND, onLost);
  }

  /** One request where the query finds anything as it is written. */
  async search(asked: TextQuery): Promise<TextResult> {
    const query = analyzeQuery(asked.q);
    for (const mode of query.clauses.length === 0 ? [] : modesFor(query)) {
      const { hits } = await this.ask<StoredPost>(requestOf(query, wantedOf(query, mode), mode.all, asked));
      const total = totalOf(hits);
      if (total > 0) return { ...pageOf(hits.hits, query, mode.typos, asked.limit), total };
    }
    return { items: [], total: 0, next: null };
  }
}

function pageOf(
  hits: estypes.SearchHit<StoredPost>[],
  query: AnalyzedQuery,
  typos: boolean,
  limit: number,
): Omit<TextResult, "total"> {
  const page = hits.slice(0, limit);
  const last = page.at(-1)?.sort;
  return {
    items: page.flatMap(({ _id: id, _score: score, _source: stored }) =>
      id !== undefined && stored
        ? [
            {
              id,
              score: score ?? 0,
              highlights: highlightsOf(stored.document, query, typos),
            },
          ]
        : [],
    ),
    next: last && hits.length > limit ? { key: Number(last[0]), id: String(last[1]) } : null,
  };
}

const term = (field: string, value: string, boost = 1): Query => ({ term: { [field]: { value, boost } } });
const prefix = (field: string, value: string, boost = 1): Query => ({
  prefix: { [field]: { value, boost } },
});
const anyOf = (should: Query[]): Query => ({ bool: { should, minimum_should_match: 1 } });

/** A character is the first of some pair, if only of the last one of its run. */
const isOpen = ({ kind, open }: Wanted): boolean => kind === "character" || open;

/** What a clause finds as it is written, in one field. */
function written(wanted: Wanted, field: string, boost: number): Query {
  return (isOpen(wanted) ? prefix : term)(field, wanted.text, boost);
}

function near(field: string, value: string, fuzziness: number, boost = 1): Query {
  return { fuzzy: { [field]: { value, fuzziness, transpositions: true, rewrite: "constant_score", boost } } };
}

/** What else a clause finds: counted once, in however many ways. */
function guesses({ text, heard, homophones, typos, nearSound }: Wanted): Query[] {
  const found = [
    ...heard.map((way): Query => {
      const all = way.map((sound, i) => (i === way.length - 1 ? prefix : term)("sounds", sound));
      return all.length === 1 && all[0] ? all[0] : { bool: { filter: all } };
    }),
    ...homophones.map((sound) => term("sounds", sound)),
    ...(typos > 0 ? [near("all", text, typos)] : []),
    ...(nearSound === null ? [] : [near("sounds", nearSound, typos)]),
  ];
  if (found.length === 0) return [];
  return [{ constant_score: { filter: anyOf(found), boost: WEIGHTS.guessed } }];
}

/** What finds a clause. */
function finds(wanted: Wanted): Query {
  const guessed = guesses(wanted);
  const as = written(wanted, "all", WEIGHTS.written);
  return guessed.length === 0 ? as : anyOf([as, ...guessed]);
}

/** What weighs it beyond that: what was found by its beginning was not weighed. */
function weighs(wanted: Wanted): Query[] {
  return [
    ...(isOpen(wanted)
      ? [
          written(wanted, "title", WEIGHTS.title),
          written(wanted, "tagged", WEIGHTS.tags),
          written(wanted, "often", WEIGHTS.often),
        ]
      : []),
    ...(wanted.typos > 0 ? [near("title", wanted.text, wanted.typos, WEIGHTS.guessedTitle)] : []),
  ];
}

function requestOf(
  { plain }: AnalyzedQuery,
  wanted: Wanted[],
  all: boolean,
  { clubId, tag, limit, after }: TextQuery,
): estypes.SearchRequest {
  const found = wanted.map(finds);
  return {
    size: limit + 1,
    track_total_hits: true,
    query: {
      bool: {
        filter: [
          ...(clubId === null ? [] : [term("clubId", clubId)]),
          ...(tag === null ? [] : [term("tags", tag)]),
        ],
        must: all ? found : [anyOf(found)],
        should: [
          ...wanted.flatMap(weighs),
          // A keyword would count by how rare it is.
          { constant_score: { filter: term("plain", plain) } },
          prefix("plain", plain),
        ],
      },
    },
    sort: [{ _score: { order: "desc" } }, { id: { order: "desc" } }],
    ...(after && { search_after: [after.key, after.id] }),
  };
}
