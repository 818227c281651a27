/** The engine that the tests of document stores run on: embedded, unless test/servers has set another. */
import { createHash } from "node:crypto";
import { openDocuments } from "../../lib/documents.ts";
import type { DocumentStore } from "../../lib/documents.ts";

export interface Engine {
  /** Everything is in this process: what closing, opening and a change of many documents promise beyond MongoDB. */
  embedded: boolean;
  /** The server's, or null. */
  url: string | null;
  /** Opens the store of that file; the same file is the same data. */
  open(file: string): Promise<DocumentStore>;
}

export const engine: { current: Engine } = { current: { embedded: true, url: null, open: openDocuments } };

/** @param url of the server */
export async function mongoEngine(url: string): Promise<Engine> {
  const { openMongo } = await import("../../lib/documents/mongo.ts");
  const { indexMaker } = await import("../../lib/documents/migrations.ts");
  return {
    embedded: false,
    url,
    async open(file) {
      const name = `t${createHash("sha256").update(file).digest("hex").slice(0, 20)}`;
      const store = openMongo(`${url}/${name}`);
      return {
        async collection(collection, { indexes }) {
          const make = indexMaker(store.db);
          for (const { fields, ...options } of indexes) await make.createIndex(collection, fields, options);
          return store.collection(collection);
        },
        ping: () => store.ping(),
        close: () => store.close(),
      };
    },
  };
}
