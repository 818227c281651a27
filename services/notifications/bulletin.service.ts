import type { Static } from "typebox";
import type { Envelope } from "../../lib/declare.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { documents } from "../../mixins/documents.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import type { messages } from "../contracts.ts";
import { reachOf } from "./announcing.ts";
import { meantFor } from "./audience.ts";
import { bulletin } from "./bulletin.contract.ts";
import { Bulletins } from "./bulletins.ts";
import type { Bulletin } from "./bulletins.ts";
import { Inbox } from "./inbox.ts";
import { isoOrNull } from "./present.ts";

const CURSOR = "bulletin";

type Told = Envelope<Static<(typeof messages)["announcements.changed"]> & { withdrawnAt?: number }>;

const own: Mixin<{ bulletins: Bulletins; reachOf: (id: string) => ReturnType<typeof reachOf> }> = {};

export default implement(bulletin, {
  mixins: [documents("notifications"), own],
  actions: {
    async list(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const [startsAt, id] = readCursor(cursor, CURSOR, ["number", "string"]) ?? [];
      const { live } = runtimeOf(this.broker);
      const current = await this.bulletins.current(Date.now());
      const meant = await meantFor(ctx, ctx.locals.user, current);
      const rest =
        startsAt === undefined
          ? meant
          : meant.filter((each) => isAfter(each, startsAt as number, id as string));
      const { items, nextCursor } = pageOf(rest, limit, (last) =>
        writeCursor(CURSOR, [last.startsAt, last._id]),
      );
      return { items: items.map(present), banner: live.get("banner.text"), nextCursor };
    },
    async reach(ctx) {
      return this.reachOf(ctx.params.id);
    },
    async onMessage(ctx) {
      const { aggregate, data } = ctx.params as Told;
      await this.bulletins.take(aggregate.id, aggregate.version, data);
    },
  },
  async started() {
    this.bulletins = await Bulletins.open(this.documents);
    const inbox = await Inbox.open(this.documents);
    this.reachOf = (id) => reachOf({ store: this.documents, bulletins: this.bulletins, inbox }, id);
  },
});

function isAfter(each: Bulletin, startsAt: number, id: string): boolean {
  return each.startsAt < startsAt || (each.startsAt === startsAt && each._id < id);
}

function present({ _id: id, title, body, level, startsAt, endsAt, createdAt, version }: Bulletin) {
  return {
    id,
    title,
    body,
    level,
    startsAt: iso(startsAt),
    endsAt: isoOrNull(endsAt),
    createdAt: iso(createdAt),
    version,
  };
}
