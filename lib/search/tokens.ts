/** A run of Chinese or Japanese characters (or symbols), in which words have no spaces, or a word of another script. */
export interface Token {
  kind: "run" | "word";
  text: string;
  /** Offset in the folded text. */
  start: number;
}

const TOKENS =
  /([\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー\p{So}]+)|[[\p{L}\p{N}\p{M}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]]+[+#]*/gv;

/** The tokens of folded text. A word keeps trailing `+` and `#`, so that C, C++ and C# differ. */
export function tokens(folded: string): Token[] {
  const found: Token[] = [];
  for (const match of folded.matchAll(TOKENS)) {
    found.push({ kind: match[1] === undefined ? "word" : "run", text: match[0], start: match.index });
  }
  return found;
}

/** Folded text without spaces and punctuation, for comparing names as wholes. */
export function compact(found: Token[]): string {
  return found.map((token) => token.text).join("");
}

/**
 * The neighbours in a run of characters, as [first, second]; the last character stands with "". Every word of two
 * characters is a pair, and every single character is the first of some pair, so pairs answer both.
 */
export function pairs(run: string): [string, string][] {
  const characters = Array.from(run);
  return characters.map((character, i) => [character, characters[i + 1] ?? ""]);
}
