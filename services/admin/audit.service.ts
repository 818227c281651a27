/** The audit log: what people and administrators have done, chained so that it cannot be changed unseen. */
import { Readable } from "node:stream";
import { ADDRESS_KEPT } from "../../lib/audit-chain.ts";
import type { LogEntry } from "../../lib/audit-chain.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError, invalid, isAppError } from "../../lib/errors.ts";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import type { SigningKeys } from "../../lib/keys.ts";
import { loadSigningKeys } from "../../lib/signing-keys.ts";
import { iso } from "../../lib/types.ts";
import { compileCheck } from "../../lib/validate.ts";
import { Watched } from "../../lib/watched.ts";
import { database } from "../../mixins/database.ts";
import { gauges } from "../../mixins/gauges.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import {
  checkpointRows,
  lastCheckpointAt,
  makeCheckpoint,
  readCheckpoint,
  saidBy,
} from "./audit-checkpoints.ts";
import { csvOf, cursorOf, pageOfLog, placeOf, present } from "./audit-reading.ts";
import { verifyLog } from "./audit-verify.ts";
import { AuditWriter } from "./audit-writer.ts";
import { audit, NewEntry } from "./audit.contract.ts";

const MINUTE = 60_000;
const CURSOR = "audit.checkpoints";
/** Milliseconds that a message waits for others. */
const PATIENCE = 15;
/** Addresses that are deleted by one statement. */
const AT_ONCE = 1_000;

const check = compileCheck(NewEntry);
const own: Mixin<{ writer: AuditWriter; keys: SigningKeys }> = {};

export default implement(audit, {
  mixins: [database("admin"), sweeper(), gauges(), own],
  methods: {
    /** @throws UNAVAILABLE where the store does not take it, whatever the reason: it is waited for */
    async keep(entry: LogEntry, patience = 0): Promise<void> {
      try {
        await this.writer.add(entry, patience);
      } catch (error) {
        if (isAppError(error)) throw error;
        this.logger.error("The audit log takes no entries", { error: String(error) });
        throw new AppError("UNAVAILABLE", { retryAfter: 2 });
      }
    },
    /** For the metrics. */
    tellCheckpoints(): void {
      const last = new Watched(() => lastCheckpointAt(this.db.primary));
      this.measure("club_alliance_audit_checkpoint_age_seconds", async () => {
        const at = await last.get();
        return at === null ? [] : [{ value: Math.max(0, Date.now() - at) / 1_000 }];
      });
    },
    async makeCheckpoint(): Promise<void> {
      const checkpoint = await makeCheckpoint(this.db, this.keys, Date.now());
      if (checkpoint) this.logger.info("Audit checkpoint: keep it elsewhere", { checkpoint });
    },
    /** Addresses that have been kept long enough; their digests stay. */
    async forgetAddresses(): Promise<void> {
      const before = Date.now() - ADDRESS_KEPT;
      for (;;) {
        const old = await this.db.primary.all<{ id: string }>(
          `SELECT id FROM audit_entries WHERE address IS NOT NULL AND at < :before ORDER BY at LIMIT ${AT_ONCE}`,
          { before },
        );
        if (old.length === 0) return;
        await this.db.primary.run(
          "UPDATE audit_entries SET address = NULL, address_salt = NULL WHERE id IN (:ids)",
          { ids: old.map(({ id }) => id) },
        );
      }
    },
  },
  actions: {
    async list(ctx) {
      const { limit = 20, cursor, ...filter } = ctx.params;
      const rows = await pageOfLog(this.db.primary, filter, placeOf(cursor), limit + 1);
      const { items, nextCursor } = pageOf(rows, limit, cursorOf);
      return { items: await present(ctx, items), nextCursor };
    },
    async csv(ctx) {
      const lines = csvOf(ctx, this.db.primary, ctx.params);
      // The heading, and what is wrong with the filter, before anything is sent.
      const { value: first = "" } = await lines.next();
      await pageOfLog(this.db.primary, ctx.params, null, 1);
      // As the contract says it once the gateway has sent it.
      return Readable.from(following(first, lines), { objectMode: false }) as unknown as string;
    },
    async verify(ctx) {
      const { checkpoint } = ctx.params;
      const signed = checkpoint === undefined ? null : readCheckpoint(this.keys, checkpoint);
      if (checkpoint !== undefined && !signed) throw invalid({ field: "checkpoint", code: "INVALID" });
      return verifyLog(this.db.primary, signed?.heads ?? [], Date.now());
    },
    async checkpoints(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const [before = null] = (readCursor(cursor, CURSOR, ["number"]) ?? []) as number[];
      const rows = await checkpointRows(this.db.primary, before, limit + 1);
      const { items, nextCursor } = pageOf(rows, limit, ({ hour }) => writeCursor(CURSOR, [hour]));
      return {
        items: items.map(({ at, jws }) => ({ at: iso(at), heads: saidBy(jws).heads, jws })),
        nextCursor,
      };
    },
    async record(ctx) {
      await this.keep(ctx.params);
    },
    async onMessage(ctx) {
      const { id, at, actor, requestId, data } = ctx.params;
      // What the check lets through is an entry.
      await this.keep(check({ id, at, actor, requestId, acted: data }) as unknown as LogEntry, PATIENCE);
    },
  },
  created() {
    this.keys = loadSigningKeys(runtimeOf(this.broker).settings, "admin");
    this.writer = new AuditWriter(this.db);
  },
  async started() {
    this.tellCheckpoints();
    void this.makeCheckpoint().catch((error: unknown) =>
      this.logger.warn("The audit log has no checkpoint yet", { error: String(error) }),
    );
    this.every(MINUTE, () => this.makeCheckpoint());
    this.every(60 * MINUTE, () => this.forgetAddresses());
  },
});

async function* following(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
