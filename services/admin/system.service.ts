import type { ServiceBroker, ServiceSchema } from "moleculer";
import { audited } from "../../lib/audit.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Answer } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { implement } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { isAway } from "../../middlewares/errors.ts";
import { database } from "../../mixins/database.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { system } from "./system.contract.ts";
import { QUEUES, sagaOf, systemOf } from "./system-view.ts";

type Letter = Answer<"clubsQueue.dead">[number];
type Rebuild = Answer<"system.searchRebuild">;

/** A node has a second to say that it drains, and asks its peers meanwhile. */
const DRAIN_LIMIT = 4_000;
const SEARCH_LIMIT = 2_000;

export default implement(system, {
  mixins: [keysAlone()],
  methods: {
    /** The nodes that run search, and what each tells of its last rebuild. Those that do not answer are left out. */
    async rebuilds(ctx: Ctx): Promise<Rebuild> {
      const nodes = searchNodes(this.broker.registry);
      const asked = nodes.map((nodeID) =>
        ctx.call("search.rebuildState", {}, { nodeID, timeout: SEARCH_LIMIT, retries: 0 }).then(
          (state) => [{ node: nodeID, ...timed(state) }],
          () => [],
        ),
      );
      const told = (await Promise.all(asked)).flat();
      if (told.length === 0) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
      return { running: told.some(({ running }) => running), nodes: told };
    },
  },
  actions: {
    async overview() {
      return systemOf(this.broker);
    },
    async deadLetters(ctx) {
      const { domain, limit = 20, cursor } = ctx.params;
      const kind = `system.deadLetters.${domain}`;
      const [after] = readCursor(cursor, kind, ["string"]) ?? [];
      const rows = await ctx.call(`${QUEUES[domain]}.dead`, {
        limit: limit + 1,
        ...(after !== undefined && { after: String(after) }),
      });
      const { items, nextCursor } = pageOf(rows, limit, ({ id }) => writeCursor(kind, [id]));
      return { items: items.map((letter) => letterOf(domain, letter)), nextCursor };
    },
    async deadLetter(ctx) {
      const { domain, id } = ctx.params;
      const { envelope, ...letter } = await ctx.call(`${QUEUES[domain]}.inspect`, { id });
      return { ...letterOf(domain, letter), envelope };
    },
    async replay(ctx) {
      const { domain, id } = ctx.params;
      const { replayed, more = false } = await ctx.call(`${QUEUES[domain]}.replay`, id ? { id } : {});
      if (id && replayed === 0) throw new AppError("NOT_FOUND");
      return { replayed, more };
    },
    async drop(ctx) {
      const { domain, id, reason } = ctx.params;
      const { type } = await ctx.call(`${QUEUES[domain]}.inspect`, { id });
      await ctx.call(`${QUEUES[domain]}.drop`, { id });
      audited(ctx, { before: { domain, type }, after: { reason } });
    },
    async sagas(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const [after] = readCursor(cursor, "system.sagas", ["string"]) ?? [];
      const rows = await ctx.call("clubs.sagas", {
        limit: limit + 1,
        ...(after !== undefined && { after: String(after) }),
      });
      const { items, nextCursor } = pageOf(rows, limit, ({ id }) => writeCursor("system.sagas", [id]));
      return { items: items.map(sagaOf), nextCursor };
    },
    async finishSaga(ctx) {
      return sagaOf(await ctx.call("clubs.endSaga", { id: ctx.params.id, way: "finish" }));
    },
    async undoSaga(ctx) {
      return sagaOf(await ctx.call("clubs.endSaga", { id: ctx.params.id, way: "undo" }));
    },
    async rebuildSearch(ctx) {
      const { nodes } = await this.rebuilds(ctx);
      // Of a shared index one node builds; an embedded one each its own.
      const chosen = nodes.every(({ shared }) => shared) ? nodes.slice(0, 1) : nodes;
      if (!nodes.some(({ shared, running }) => shared && running))
        for (const { node: nodeID } of chosen)
          await ctx.call("search.beginRebuild", {}, { nodeID, timeout: SEARCH_LIMIT, retries: 0 });
      return this.rebuilds(ctx);
    },
    async searchRebuild(ctx) {
      return this.rebuilds(ctx);
    },
    async endSessions(ctx) {
      const { id } = ctx.params;
      const [person] = await ctx.call("users.names", { ids: [id] });
      if (!person) throw new AppError("NOT_FOUND");
      const { ended } = await ctx.call("sessions.endOfUser", { user: id });
      // Last: they may be the caller's own.
      const { ended: admin } = await ctx.call("adminAuth.endSessionsOf", { user: id });
      return { ended, admin };
    },
    async drain(ctx) {
      const { id, force = false } = ctx.params;
      const node = this.broker.registry
        .getNodeList({ onlyAvailable: true, withServices: false })
        .find((each) => each.id === id);
      if (!node) throw new AppError("NOT_FOUND");
      audited(ctx, { before: { state: "running" } });
      try {
        const options = { nodeID: id, timeout: DRAIN_LIMIT, retries: 0 };
        return { id, ...(await ctx.call("node.drain", { force }, options)) };
      } catch (error) {
        throw isAway(error) ? new AppError("NODE_SILENT", { retryAfter: 2 }) : error;
      }
    },
  },
});

/**
 * The idempotency keys of the admin database, and not its `change`: what these actions change is elsewhere, and recorded
 * before and after it.
 */
function keysAlone(): Mixin<Pick<DatabaseMethods, "idempotencyKeys">> {
  const { methods: _change, ...rest } = database("admin") as ServiceSchema;
  return rest;
}

function searchNodes(registry: ServiceBroker["registry"]): string[] {
  return registry
    .getServiceList({ onlyAvailable: true })
    .filter(({ name }) => name === "search")
    .map(({ nodeID }) => nodeID as string)
    .toSorted();
}

function letterOf(domain: string, { id, type, consumer, error, attempts, createdAt }: Letter) {
  return { id, domain, type, consumer, error, attempts, createdAt: iso(createdAt) };
}

function timed({ startedAt, endedAt, ...state }: Answer<"search.rebuildState">) {
  return {
    ...state,
    startedAt: startedAt === null ? null : iso(startedAt),
    endedAt: endedAt === null ? null : iso(endedAt),
  };
}
