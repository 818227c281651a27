import { readFileSync } from "node:fs";
import path from "node:path";
import { type SearchDocument, SearchIndex } from "../../lib/search/index.ts";

export const SEARCH_OPTIONS = { fields: { name: 8, tags: 4, summary: 2, description: 1 }, nameField: "name" };

let number = 0;

/** A document with a name, and whatever else a test wants of it. Each is newer than the one before. */
export function named(name: string, { fields, ...more }: Partial<SearchDocument> = {}): SearchDocument {
  number += 1;
  return {
    id: String(number).padStart(6, "0"),
    version: 1,
    fields: { name, ...fields },
    tags: [],
    category: "academic",
    popularity: 0,
    createdAt: new Date(1.7e12 + number * 1000).toISOString(),
    ...more,
  };
}

export function indexOf(documents: SearchDocument[]): SearchIndex {
  const index = new SearchIndex(SEARCH_OPTIONS);
  for (const document of documents) index.put(document);
  return index;
}

const read = (file: string): string[] =>
  readFileSync(path.join(import.meta.dirname, "../../demo", file), "utf8")
    .split(/\r?\n/)
    .filter((line) => line !== "");

/** The real lists of demo/README.md. */
export function realClubs(): SearchDocument[] {
  const chinese = read("clubs-zh.csv")
    .slice(1)
    .map((line) => {
      const {
        name = "",
        category = "",
        tags = "",
        summary = "",
      } = /^(?<name>[^,]+),(?<category>[^,]+),"(?<tags>[^"]+)","?(?<summary>.+?)"?$/.exec(line)?.groups ?? {};
      return named(name, { category, fields: { summary }, tags: tags.split(",") });
    });
  const harvard = read("harvard-organizations-2017.txt").map((name) => named(name, { tags: ["harvard"] }));
  return [...chinese, ...harvard].map((club, i) => ({ ...club, popularity: (i * 37) % 101 }));
}

/** The text that a reader of highlights sees. */
export function visible(html: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };
  return html
    .replace(/<\/?em>/g, "")
    .replace(/&(lt|gt|quot|#39|amp);/g, (_, name: string) => characters[name]!);
}
