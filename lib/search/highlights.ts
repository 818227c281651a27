import { TAGS } from "./entry.ts";
import { highlight } from "./highlight.ts";
import type { AnalyzedQuery } from "./query.ts";
import type { SearchDocument } from "./types.ts";

/** Each field of a document in which a query matched, as escaped HTML with `<em>`. `typos`: it was taken loosely. */
export function highlightsOf(
  document: SearchDocument,
  query: AnalyzedQuery,
  { fields, nameField, typos }: { fields: string[]; nameField: string; typos: boolean },
): Record<string, string> {
  const highlights: Record<string, string> = {};
  for (const field of fields) {
    const text = field === TAGS ? document.tags.join(", ") : document.fields[field];
    if (text === undefined || text === "") continue;
    const pronounced = field === TAGS ? "tags" : field === nameField ? "name" : null;
    const html = highlight(text, query, { pronounced, typos });
    if (html !== null) highlights[field] = html;
  }
  return highlights;
}
