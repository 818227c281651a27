import { Readable } from "node:stream";
import { csvLines, toCsv } from "../../lib/csv.ts";
import { audited } from "../../lib/audit.ts";
import { readBinary } from "../../lib/binary-body.ts";
import type { Statements } from "../../lib/database.ts";
import type { Language } from "../../lib/declare.ts";
import { AppError, fieldMessage } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { idFor, implement, userOf } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { gauges } from "../../mixins/gauges.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { cutFile } from "./import-file.ts";
import { ImportJob } from "./import-job.ts";
import {
  dropParts,
  endImport,
  failuresPage,
  importOf,
  importsPage,
  keepPart,
  present,
  sweepImports,
  takeImport,
} from "./import-rows.ts";
import type { ImportRow } from "./import-rows.ts";
import { imports } from "./imports.contract.ts";

/** Milliseconds in which a body must have come. */
const TO_COME = 110_000;
/** How often a node looks for imports that nobody works at, and how many it works at once. */
const LOOK = 1_000;
const JOBS = 2;
const HOUR = 3_600_000;
const REPORT_PAGE = 1_000;

const own: Mixin<{ jobs: Map<ImportJob, Promise<void>>; ending: boolean }> = {};

export default implement(imports, {
  mixins: [database("admin"), sweeper(), gauges(), own],
  methods: {
    /** Takes up imports, as many as this node may work at. */
    async look(): Promise<void> {
      while (this.jobs.size < JOBS && !this.ending) {
        const row = await takeImport(this.db);
        if (!row) return;
        const job = new ImportJob(this.broker, this.db, this.logger, row);
        const running = job
          .run()
          .catch((error: unknown) =>
            this.logger.error("An import broke off and is taken up again", {
              import: row.id,
              error: String(error),
            }),
          )
          .finally(() => this.jobs.delete(job));
        this.jobs.set(job, running);
      }
    },
    async found(id: string): Promise<ImportRow> {
      const row = await importOf(this.db.primary, id);
      if (!row) throw new AppError("NOT_FOUND");
      return row;
    },
  },
  actions: {
    async create(ctx) {
      const { kind, dryRun = false, charset } = ctx.params;
      const id = idFor(ctx);
      const body = await readBinary(
        ctx.stream instanceof Readable ? ctx.stream : null,
        imports.actions.create.body.limit,
        TO_COME,
      );
      // Of a try that broke off before its import was there.
      await dropParts(this.db.primary, id);
      const { rows, parts } = await cutFile(body, kind, charset, (part) => keepPart(this.db, id, part));
      const answer = await this.change(ctx, async (tx) => {
        const row: ImportRow = {
          id,
          kind,
          dry_run: dryRun ? 1 : 0,
          status: "queued",
          reason: null,
          total: rows,
          done: 0,
          created: 0,
          unchanged: 0,
          failed: 0,
          parts,
          next_part: 0,
          by_user: userOf(ctx),
          lang: ctx.headers.lang ?? "en",
          lease: null,
          lease_until: 0,
          created_at: Date.now(),
          ended_at: null,
        };
        await tx.insert("imports", { ...row });
        audited(ctx, { subject: id, before: null, after: { kind, dryRun, rows } });
        return { import: present(row) };
      });
      // The sweep looks too.
      this.look().catch(() => undefined);
      return answer;
    },

    list(ctx) {
      const { limit = 20, cursor } = ctx.params;
      return importsPage(this.db.primary, limit, cursor);
    },

    async get(ctx) {
      return present(await this.found(ctx.params.id));
    },

    async report(ctx) {
      const { id } = await this.found(ctx.params.id);
      const lines = reportLines(this.db.primary, id, ctx.headers.lang ?? "en");
      // As the contract says it once the gateway has sent it.
      return Readable.from(lines, { objectMode: false }).setEncoding("utf8") as unknown as string;
    },

    async stop(ctx) {
      const { id } = ctx.params;
      const stopped = await this.change(ctx, async (tx) => {
        if (!(await importOf(tx, id))) throw new AppError("NOT_FOUND");
        if (!(await endImport(tx, id, "failed", "stopped"))) throw new AppError("IMPORT_OVER");
        return present((await importOf(tx, id)) as ImportRow);
      });
      await dropParts(this.db.primary, id);
      return stopped;
    },
  },
  created() {
    this.jobs = new Map();
    this.ending = false;
  },
  async started() {
    this.measure("club_alliance_import_running", () => [{ value: this.jobs.size }]);
    this.every(LOOK, () => this.look());
    this.every(HOUR, () => sweepImports(this.db.primary, Date.now()));
  },
  async stopped() {
    this.ending = true;
    for (const job of this.jobs.keys()) job.stop();
    await Promise.all(this.jobs.values());
  },
});

/** The report in pieces. */
async function* reportLines(statements: Statements, id: string, language: Language): AsyncGenerator<string> {
  yield toCsv(["row", "reason"], []);
  for (let after = 0; ;) {
    const failures = await failuresPage(statements, id, after, REPORT_PAGE);
    const last = failures.at(-1);
    if (!last) return;
    yield csvLines(failures.map(({ row, reasons }) => [row, sentence(reasons, language)]));
    after = last.row;
  }
}

function sentence(reasons: readonly FieldError[], language: Language): string {
  return reasons
    .map((reason) => {
      const message = fieldMessage(reason, language);
      return reason.field === "" ? message : `${reason.field}: ${message}`;
    })
    .join(" ");
}
