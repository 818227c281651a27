import { highlight } from "../highlight.ts";
import type { AnalyzedQuery } from "../query.ts";
import type { Shown } from "./types.ts";

/** As much of a text as is kept to show; what matches further on is found, but has no fragment. */
export const EXCERPT = 10_000;
/** Characters of a text around what matched. */
const FRAGMENT = 100;

/** Where a title and a text answer a query, as escaped HTML with `<em>`; the text as a fragment named `body`. */
export function highlightsOf(
  { title, text }: Shown,
  query: AnalyzedQuery,
  typos: boolean,
): Record<string, string> {
  const inTitle = highlight(title, query, { pronounced: "title", typos });
  const inText = highlight(text, query, { pronounced: null, typos, fragment: FRAGMENT });
  return { ...(inTitle !== null && { title: inTitle }), ...(inText !== null && { body: inText }) };
}
