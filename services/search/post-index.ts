/** The embedded index of posts. */
import { plainOf } from "../../lib/search/plain.ts";
import { TextIndex } from "../../lib/search/texts/index.ts";
import type { TextDocument, TextQuery, TextResult } from "../../lib/search/texts/index.ts";
import type { PostRecord } from "../posts/posts.contract.ts";
import { KeptIndex } from "./kept-index.ts";
import type { Engine } from "./kept-index.ts";

/** Where posts are found: the index in this process, or Elasticsearch. */
export interface PostEngine extends Engine<PostRecord> {
  /** Throws UNAVAILABLE where it cannot answer now. */
  search(asked: TextQuery): TextResult | Promise<TextResult>;
}

export class PostIndex extends KeptIndex<PostRecord, TextIndex> implements PostEngine {
  constructor() {
    super({
      create: () => new TextIndex(),
      isShown: ({ shown }) => shown,
      put: (index, post) => void index.put(textOf(post)),
      // Ids are never used again.
      remove: (index, id, post) => void index.remove(id, post?.version ?? Number.MAX_SAFE_INTEGER),
    });
  }

  search(asked: TextQuery): TextResult {
    return this.current.search(asked);
  }
}

/** A post as both engines take it. */
export function textOf({ id, version, title, body, tags, clubId }: PostRecord): TextDocument {
  return { id, version, title, text: plainOf(body), tags, clubId };
}
