import { AppError } from "../../lib/errors.ts";
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { implement, respond, userOf } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { openStorage } from "../../lib/storage/index.ts";
import type { Storage } from "../../lib/storage/index.ts";
import { ownSecret } from "../../lib/storage/secret.ts";
import { database } from "../../mixins/database.ts";
import { gatewayUrl, runtimeOf } from "../../mixins/runtime.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { announce, checkAnnounced } from "./announcing.ts";
import { claimFiles, verifyClaims } from "./claiming.ts";
import type { Ask } from "./claiming.ts";
import { awaitFile, keepUpload, releaseFile, takeFile } from "./completing.ts";
import { files, SUBJECTS } from "./files.contract.ts";
import { forgetPerson, exportPage } from "./person.ts";
import { fileOf, present, uploadKey } from "./rows.ts";
import type { FileRow, SubjectType } from "./rows.ts";
import { Serving } from "./serving.ts";
import { markFile, markIdle, purge, purgeMarked, sweepOrphans } from "./sweeping.ts";
import { verdictOf } from "./visibility.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Seconds that an upload's address is good for. */
const UPLOAD_SECONDS = 900;
const ASK_LIMIT = 10_000;

/** Who knows which files a thing shows. */
const SHOWN = {
  user: "users.files",
  club: "clubs.files",
  post: "posts.files",
  activity: "activities.files",
} as const satisfies Record<SubjectType, string>;

interface Methods {
  storage: Storage;
  serving: Serving;
  need(id: string): Promise<FileRow>;
  /** Looks at the upload and keeps it. */
  finish(row: FileRow, lease: string): Promise<FileRow>;
  /** Deletes what nobody needs, as of this time (milliseconds). */
  sweep(now: number): Promise<void>;
  sweepStorage(now: number): Promise<void>;
}

const own: Mixin<Methods> = {};

export default implement(files, {
  mixins: [database("files"), sweeper(), own],
  methods: {
    async need(id: string): Promise<FileRow> {
      const row = await fileOf(this.db.primary, id);
      if (!row) throw new AppError("NOT_FOUND");
      return row;
    },
    async finish(row: FileRow, lease: string): Promise<FileRow> {
      const columns = await keepUpload(this.storage, row);
      const now = Date.now();
      const kept = await this.db.primary.run(
        `UPDATE files SET status = 'ready', storage_key = :storage_key, size = :size, width = :width, height = :height,
         completed_at = :now, touched_at = :now, lease = NULL, lease_until = 0
         WHERE id = :id AND status = 'pending' AND lease = :lease AND deleted_at IS NULL`,
        { ...columns, id: row.id, lease, now },
      );
      // Deleted meanwhile, or taken over from a process that stood still.
      if (kept === 0) await this.storage.delete(columns.storage_key);
      else
        await this.storage
          .delete(uploadKey(row.id))
          .catch((error: unknown) =>
            this.logger.warn("An upload is left for the sweep", { error: String(error) }),
          );
      const after = await this.need(row.id);
      if (after.status !== "ready") throw new AppError("UNAVAILABLE", { retryAfter: 2 });
      return after;
    },
    async sweep(now: number): Promise<void> {
      await markIdle(this.db, now);
      await purgeMarked(this.db, this.storage);
      const ask: Ask = (type, ids) =>
        this.broker.call<Answer<"posts.files">, { ids: string[] }>(
          SHOWN[type],
          { ids },
          { timeout: ASK_LIMIT },
        );
      for (const type of SUBJECTS)
        await verifyClaims(this.db, type, ask, now).catch((error: unknown) =>
          this.logger.warn("Claims are not verified now", { type, error: String(error) }),
        );
      await this.outbox.sweep(now);
    },
    async sweepStorage(now: number): Promise<void> {
      await sweepOrphans(this.db, this.storage, now);
      await this.storage.tidy();
    },
  },
  actions: {
    async create(ctx) {
      checkAnnounced(ctx.params, runtimeOf(this.broker).live);
      const [id, owner] = [newId(), userOf(ctx)];
      const row = await this.db.transaction((tx) => announce(tx, id, owner, ctx.params));
      const info = { size: row.size, contentType: row.content_type };
      const { method, url, headers } = await this.storage.signUpload(uploadKey(id), info, UPLOAD_SECONDS);
      const expiresAt = iso(row.created_at + UPLOAD_SECONDS * 1_000);
      return { file: present(row), upload: { method: method as "PUT", url, headers, expiresAt } };
    },
    async complete(ctx) {
      const row = await this.need(ctx.params.id);
      if (row.status === "ready") return present(row);
      const taken = (await takeFile(this.db, row.id)) ?? (await awaitFile(this.db, row.id));
      if (typeof taken !== "string") return present(taken);
      try {
        return present(await this.finish(row, taken));
      } finally {
        await releaseFile(this.db, row.id, taken);
      }
    },
    async get(ctx) {
      const row = await this.need(ctx.params.id);
      if (row.status !== "ready")
        throw new AppError(row.owner_id === ctx.locals.user ? "FILE_NOT_READY" : "NOT_FOUND");
      respond(ctx, { headers: { Location: await this.serving.addressOf(row, ctx.params.width) } });
    },
    async remove(ctx) {
      const row = await this.need(ctx.params.id);
      await markFile(this.db, row.id);
      await purge(this.db, this.storage, row).catch((error: unknown) =>
        this.logger.warn("A deleted file is left for the sweep", {
          requestId: ctx.requestID,
          error: String(error),
        }),
      );
    },
    async allows(ctx) {
      const row = await fileOf(this.db.primary, ctx.params.id);
      return { verdict: row ? await verdictOf(ctx, this.db.primary, row) : "missing", grant: {} };
    },
    async claim(ctx) {
      return { refused: await this.db.transaction((tx) => claimFiles(tx, ctx.params)) };
    },
    async exportUser(ctx) {
      return exportPage(this.db.primary, ctx.params);
    },
    async onUserErased(ctx) {
      await this.consume(ctx, (tx) => forgetPerson(tx, ctx.params.aggregate.id));
      await purgeMarked(this.db, this.storage);
    },
  },
  async started() {
    const runtime = runtimeOf(this.broker);
    this.storage = await storageOf(runtime);
    runtime.probes.set("storage", {
      kind: runtime.settings.s3Url ? "s3" : "folder",
      look: async () => void (await this.storage.head("probe")),
    });
    this.serving = new Serving(this.storage);
    this.every(5 * MINUTE, () => purgeMarked(this.db, this.storage));
    this.every(HOUR, () => this.sweep(Date.now()));
    this.every(6 * HOUR, () => this.sweepStorage(Date.now()));
  },
  async stopped() {
    runtimeOf(this.broker).probes.delete("storage");
    this.storage?.close();
  },
});

async function storageOf(runtime: Runtime): Promise<Storage> {
  const { s3Url, s3PublicUrl, filesDir } = runtime.settings;
  const links = {
    // The gateway may take its port after this service has started.
    get base() {
      return `${gatewayUrl(runtime)}/blobs`;
    },
    secret: s3Url ? Buffer.alloc(0) : await ownSecret(filesDir),
  };
  return openStorage({ s3Url, s3PublicUrl, folder: filesDir, links });
}
