import { fold } from "./fold.ts";
import { type Sound, soundsOf } from "./sound.ts";
import { compact, type Token, tokens } from "./tokens.ts";
import type { SearchDocument } from "./types.ts";

/** A value that documents share, and the place where a search counts it. */
export interface Facet {
  value: string;
  count: number;
  /** The search that `count` is of. */
  search: number;
}

/** A document in the index with what is computed once for all searches. */
export interface Entry {
  document: SearchDocument;
  /** The folded name without spaces and punctuation. */
  plain: string;
  sound: Sound;
  /** Milliseconds. */
  createdAt: number;
  category: Facet | null;
  tags: Facet[];
}

/** The tokens of each field that is not empty; tags are one field, each tag on its own. */
export interface AnalyzedDocument {
  fields: Map<string, Token[]>;
  plain: string;
  sound: Sound;
}

export const TAGS = "tags";

/** @param names the fields to analyze; others are left alone. */
export function analyzeDocument(
  document: SearchDocument,
  names: string[],
  nameField: string,
): AnalyzedDocument {
  const tags = document.tags.map((tag) => tokens(fold(tag)));
  const fields = new Map(
    names.map((name) => [name, name === TAGS ? tags.flat() : tokens(fold(document.fields[name] ?? ""))]),
  );
  const name = fields.get(nameField) ?? [];
  return { fields, plain: compact(name), sound: soundsOf(name, tags) };
}

export function sameText(a: SearchDocument, b: SearchDocument, names: string[]): boolean {
  return (
    names.every((name) => a.fields[name] === b.fields[name]) &&
    a.tags.length === b.tags.length &&
    a.tags.every((tag, i) => tag === b.tags[i])
  );
}
