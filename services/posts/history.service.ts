import { contentFact } from "../../lib/facts.ts";
import { implement } from "../../lib/implement.ts";
import { documents } from "../../mixins/documents.ts";
import { postHistory } from "./history.contract.ts";
import { openStore } from "./records.ts";

/** Before the comments. */
const COMMENTS = "comment ";

export default implement(postHistory, {
  mixins: [documents("posts", { tells: true })],
  actions: {
    async page(ctx) {
      const { after, limit } = ctx.params;
      const store = await openStore(this.documents);
      const order = { sort: { _id: 1 }, limit } as const;
      const [kind, last = ""] = (after ?? "post ").split(" ");
      if (kind === "post") {
        const posts = await store.posts.find(
          { _id: { $gt: last } },
          { ...order, projection: ["clubId", "authorId", "version", "status"] },
        );
        const facts = posts.map(({ _id: id, clubId, authorId, version, status }) =>
          contentFact("post", id, clubId, authorId, version, status === "published"),
        );
        const next = posts.length === limit ? `post ${posts.at(-1)?._id ?? ""}` : COMMENTS;
        return { facts, rosters: [], next };
      }
      const comments = await store.comments.find(
        { _id: { $gt: last } },
        { ...order, projection: ["authorId", "version", "status"] },
      );
      const facts = comments.map(({ _id: id, authorId, version, status }) =>
        contentFact("comment", id, null, authorId, version, status === "published"),
      );
      const next = comments.length === limit ? `${COMMENTS}${comments.at(-1)?._id ?? ""}` : null;
      return { facts, rosters: [], next };
    },
  },
});
