/** The text that readers see of Markdown, near enough to search it and to show a fragment of it. */

/** What is replaced, in order. Each quantifier is bounded, so that no text takes more than linear time. */
const MARKS: [RegExp, string][] = [
  // Fences of code, rules and underlines of headings.
  [/^[ \t]{0,3}(?:`{3,}|~{3,}|={2,}|-{3,}|\*{3,}|_{3,}).{0,100}$/gm, ""],
  // Definitions of links.
  [/^[ \t]{0,3}\[[^\]\n]{1,200}\]:[^\n]{0,2000}$/gm, ""],
  // Rows that part the head of a table from its body.
  [/^[ \t]{0,3}\|?[ :|-]{3,200}$/gm, ""],
  [/^[ \t]{0,20}(?:(?:#{1,6}|>|[-+*]|\d{1,9}[.)])[ \t]{1,20}){1,8}/gm, ""],
  [/!?\[([^[\]\n]{0,300})\](?:\([^()\n]{0,2000}\)|\[[^[\]\n]{0,200}\])/g, "$1"],
  [/(?<!\\)<\/?[a-z!][^<>\n]{0,500}>/gi, ""],
  // Emphasis, but not 2*3 and snake_case.
  [/(?<![\d\s*\\])\*{1,3}|(?<!\\)\*{1,3}(?![\d\s*])/g, ""],
  [/(?<![\p{L}\p{N}])_{1,3}(?=\S)|(?<=\S)_{1,3}(?![\p{L}\p{N}])/gu, ""],
  [/`+|~~|\|/g, " "],
  // Escapes.
  [/\\([!-/:-@[-`{-~])/g, "$1"],
  [/\s+/g, " "],
];

/**
 * Markdown without its marks, in one line. Cheap rather than exact: a mark that is meant as itself may go, but no word
 * does, other than addresses of links and HTML tags.
 */
export function plainOf(markdown: string): string {
  return MARKS.reduce((text, [mark, by]) => text.replace(mark, by), markdown).trim();
}
