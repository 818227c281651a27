import { Type as T } from "typebox";
import type { Static } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id, List, Nullable, OneOf, Page, Time } from "../../lib/types.ts";

export const KINDS = ["users", "clubs", "members"] as const;
export type Kind = (typeof KINDS)[number];

/** The columns of each kind; those that are needed come first. */
export const COLUMNS: Readonly<Record<Kind, { needed: readonly string[]; others: readonly string[] }>> = {
  users: { needed: ["username", "email"], others: ["displayName", "college", "major", "grade", "roles"] },
  clubs: {
    needed: ["name", "category", "summary"],
    others: ["tags", "description", "president", "joinPolicy"],
  },
  members: { needed: ["club", "user"], others: ["role", "title"] },
};

export const Import = T.Object({
  id: Id,
  kind: OneOf(KINDS),
  dryRun: T.Boolean(),
  status: OneOf(["queued", "running", "done", "failed"]),
  /** Why it failed as a whole: stopped, or its administrator is none any more. */
  reason: Nullable(OneOf(["stopped", "notAdministrator"])),
  rows: T.Integer(),
  done: T.Integer(),
  created: T.Integer({ description: "In a dry run: what would be" }),
  unchanged: T.Integer(),
  failed: T.Integer(),
  createdAt: Time,
  endedAt: Nullable(Time),
});
export type Import = Static<typeof Import>;

export const imports = declare("imports", {
  create: {
    rest: "POST /admin/imports",
    summary: {
      en: "Import people, clubs or members from CSV; the same file twice changes nothing",
      "zh-CN": "从 CSV 导入用户、社团或成员（重复导入同一文件不会产生变化）",
    },
    params: T.Object({
      kind: OneOf(KINDS),
      dryRun: T.Optional(
        T.Boolean({ default: false, description: "Counts what would be and writes nothing" }),
      ),
      charset: T.Optional(
        OneOf(["utf-8", "gb18030"], {
          description: "Of the file; without it UTF-8, or GB18030 where the bytes are not UTF-8",
        }),
      ),
    }),
    returns: T.Object({ import: Import }),
    status: 202,
    access: "administrator",
    audit: { subject: "import", fields: ["kind", "dryRun", "rows"] },
    errors: ["IMPORT_ENCODING", "IMPORT_MALFORMED", "IMPORT_EMPTY"],
    body: { type: "text/csv", limit: 50 * 1_048_576 },
    timeout: 120_000,
    // Each has the whole file in memory.
    bulkhead: 2,
  },
  list: {
    rest: "GET /admin/imports",
    summary: { en: "Imports, newest first", "zh-CN": "导入记录" },
    params: T.Object({ ...Page }),
    returns: List(Import),
    access: "administrator",
  },
  get: {
    rest: "GET /admin/imports/:id",
    summary: { en: "An import and how far it is", "zh-CN": "导入进度" },
    params: T.Object({ id: Id }),
    returns: Import,
    access: "administrator",
  },
  report: {
    rest: "GET /admin/imports/:id/report.csv",
    summary: { en: "The rows that failed, with the reason", "zh-CN": "导入失败的行及原因（CSV）" },
    params: T.Object({ id: Id }),
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: "administrator",
    timeout: 30_000,
  },
  stop: {
    rest: "DELETE /admin/imports/:id",
    summary: {
      en: "Stop an import; what it has done stays",
      "zh-CN": "停止导入（已导入的内容保留）",
    },
    params: T.Object({ id: Id }),
    returns: Import,
    access: "administrator",
    audit: { subject: "import" },
    errors: ["IMPORT_OVER"],
  },
});
