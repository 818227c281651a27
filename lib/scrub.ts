/**
 * Takes out of texts about errors what may be personal or secret, and leaves what helps to find the fault. Such texts
 * come from drivers and parsers, which like to quote what they were given.
 */

/** The longest text that is kept; errors of SQL carry whole statements. */
const LONGEST = 2_000;

/** A letter as words have them beside an apostrophe (O'Brien): those of Chinese stand right next to a quotation. */
const WORD = String.raw`[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{N}_]`;

/**
 * What is quoted: values of SQL, of JSON.parse, of validators, with lines of their own too. A mark opens where no word
 * stands before it (or one of SQL's N'…' and X'…') and closes where none goes on behind it. One that nobody closes hides
 * all that comes after it, since drivers cut what they quote.
 */
const QUOTED = new RegExp(
  String.raw`(?:(?<!${WORD})|(?<=\b[bnx]))(["'\x60])(?:\\.?|(?!\1(?!${WORD}))[^\\])*(?:\1|$)`,
  "gisu",
);
const QUOTED_IN_PRINT = new RegExp(
  String.raw`“[^”]*(?:”|$)|「[^」]*(?:」|$)|『[^』]*(?:』|$)|‘(?:(?!’(?!${WORD})).)*(?:’|$)`,
  "gsu",
);

/**
 * Each takes a time in proportion to the text: a repeat either begins where its run begins, which the look back sees to,
 * or takes whatever it has read.
 */
const RULES: readonly (readonly [RegExp, string])[] = [
  // Credentials, path and query of an address; its host says what was asked.
  [/(?<![a-z0-9+.-])([a-z0-9+.-]+:\/\/)(?:[^\s/@"'`]*@)?([^\s/?#"'`,)<>]+)[^\s"'`,)<>]*/gi, "$1$2/…"],
  [/(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+/gu, "<e-mail>"],
  [QUOTED, "$1…$1"],
  [QUOTED_IN_PRINT, "“…”"],
  [
    /\b(pass\w*|secret|token|code|t?otp|authorization|bearer|cookie)(\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?!["'`<])\S+/gi,
    "$1$2<secret>",
  ],
  [
    /\b(pass\w*|secret|token|code|t?otp|authorization|bearer|basic|cookie)(\s+)(?=\S*\d)[^\s"'`<]+/gi,
    "$1$2<secret>",
  ],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, "<id>"],
  [/\b(?:\d{1,3}\.){3}\d{1,3}\b/g, "<address>"],
  [/(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}:?[0-9a-f]{0,4}(?![\w:])/gi, "<address>"],
  // Tokens, hashes, keys: long, and of more than letters.
  [/(?<![\w-])(?=[\w-]*\d)[\w-]{20,}(?:\.[\w-]+)*/g, "<token>"],
  // Numbers of students, telephones, one-time codes.
  [/\d{5,}/g, "<number>"],
];

/** A text without e-mail addresses, tokens, ids, long numbers, quoted values, and what addresses carry beside the host. */
export function scrub(text: string): string {
  let clean = text.slice(0, 2 * LONGEST);
  // A word that is cut in two is none that a rule knows.
  if (clean.length < text.length) clean = clean.replace(/(?<!\S)\S{1,300}$/, "");
  for (const [found, instead] of RULES) clean = clean.replace(found, instead);
  return clean.slice(0, LONGEST);
}

const FRAME = /^\s+at /;

/** Where an error was thrown: the lines of its stack that are no message, even where one looks like them. */
export function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || typeof error.stack !== "string") return [];
  const lines = error.stack.split("\n").slice(error.message.split("\n").length);
  return lines.filter((line) => FRAME.test(line));
}

/** The same for a text that may end with frames, whose error is not at hand. */
export function scrubStack(text: string): string {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => FRAME.test(line));
  if (first < 0) return scrub(text);
  const frames = lines.slice(first).filter((line) => FRAME.test(line));
  return [scrub(lines.slice(0, first).join("\n")), ...frames].join("\n");
}

/** An error's name and message, scrubbed, and its frames as they are. */
export function scrubError(error: unknown): string {
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return [scrub(said), ...framesOf(error)].join("\n");
}
