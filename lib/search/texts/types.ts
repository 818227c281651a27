/** What a search of longer texts takes and gives, whichever engine is behind it. */
import type { SearchCursor, SearchItem } from "../types.ts";

export interface TextDocument {
  id: string;
  /** Grows with every change; an older or equal one never replaces what is known. */
  version: number;
  title: string;
  /** Without marks. */
  text: string;
  tags: string[];
  clubId: string | null;
}

/** What highlights are made from. */
export type Shown = Pick<TextDocument, "title" | "text">;

export interface TextQuery {
  q: string;
  clubId: string | null;
  /** One tag, exactly as it stands in the document. */
  tag: string | null;
  limit: number;
  after: SearchCursor | null;
}

export interface TextResult {
  /** Highlights: `title`, and a fragment of the text as `body`. */
  items: SearchItem[];
  /** All hits, exactly. */
  total: number;
  next: SearchCursor | null;
}
