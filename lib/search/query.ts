import { fold } from "./fold.ts";
import { readings, soundOf } from "./sound.ts";
import { compact, pairs, type Token, tokens } from "./tokens.ts";

/** One thing that a query asks for. `pair` is two neighbouring characters, `character` a single one. */
export interface Clause {
  kind: "word" | "pair" | "character";
  text: string;
  /** How it may be spelled in pinyin: a word as it stands, a pair in each of its readings, a character not at all. */
  sounds: string[];
  /** Words that begin with it count too. Not for a single letter, unless it stands last and may go on. */
  open: boolean;
}

export interface AnalyzedQuery {
  clauses: Clause[];
  /** The whole query without spaces and punctuation. */
  plain: string;
  /** The whole query as it is pronounced; of words, as they are spelled. */
  sound: string;
  /** It is made of words only, so that it may be pinyin. */
  words: boolean;
}

/** What a query asks for beyond this many things is ignored; it bounds the work that one query can cause. */
const MAX_CLAUSES = 16;

const segmenter = new Intl.Segmenter("zh", { granularity: "word" });

/** The Chinese words of a run. Two characters are one word already: the dictionary would split rare ones. */
function wordsOf(run: string): string[] {
  if (Array.from(run).length <= 2) return [run];
  return Array.from(segmenter.segment(run), (segment) => segment.segment);
}

function clausesOf(token: Token, last: boolean): Clause[] {
  if (token.kind === "word") {
    return [
      { kind: "word", text: token.text, sounds: [soundOf(token.text)], open: token.text.length > 1 || last },
    ];
  }
  return wordsOf(token.text).flatMap((word): Clause[] => {
    const found = pairs(word);
    if (found.length === 1) return [{ kind: "character", text: word, sounds: [], open: false }];
    return found.slice(0, -1).map(([first, second]) => ({
      kind: "pair",
      text: first + second,
      sounds: readings(first, second),
      open: false,
    }));
  });
}

/** Takes a query apart. One without any letter, digit or symbol has no clauses. */
export function analyzeQuery(q: string): AnalyzedQuery {
  const found = tokens(fold(q));
  const asked = found.flatMap((token, i) => clausesOf(token, i === found.length - 1));
  const clauses = new Map(asked.map((clause) => [clause.text, clause]));
  const plain = compact(found);
  return {
    clauses: [...clauses.values()].slice(0, MAX_CLAUSES),
    plain,
    sound: soundOf(plain),
    words: found.every((token) => token.kind === "word"),
  };
}
