import type { Static } from "typebox";
import { Type as T } from "typebox";
import { Acted } from "../../lib/audit.ts";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Id, List, Nullable, Page, Person, Time } from "../../lib/types.ts";

const Line = T.String({ minLength: 1, maxLength: 150, pattern: "^[\\x21-\\x7e]+$" });

/** What fits into the log, so that nothing else waits for what never will. */
const ascii = (maxLength: number) => T.String({ maxLength, pattern: "^[\\x20-\\x7e]*$" });
export const NewEntry = T.Object({
  id: ascii(36),
  at: T.Integer({ minimum: 0 }),
  actor: Nullable(ascii(36)),
  requestId: Nullable(ascii(128)),
  acted: T.Object({
    ...Acted.properties,
    action: ascii(100),
    subject: Nullable(T.Object({ type: ascii(40), id: ascii(100) })),
    result: ascii(64),
    address: Nullable(ascii(64)),
  }),
});

const Filter = {
  actor: T.Optional(Id),
  action: T.Optional(Line),
  /** An id, or `type:id`. */
  subject: T.Optional(Line),
  from: T.Optional(Time),
  to: T.Optional(Time),
  result: T.Optional(Line),
};

const Entry = T.Object({
  id: T.String(),
  at: Time,
  actor: Nullable(Person),
  action: T.String(),
  subject: Nullable(T.Object({ type: T.String(), id: T.String() })),
  /** By field: what was, and what is. */
  changes: T.Record(T.String(), T.Array(T.Unknown(), { minItems: 2, maxItems: 2 })),
  /** Null for who is no request, and after 180 days. */
  address: Nullable(T.String()),
  requestId: Nullable(T.String()),
  /** `ok`, `started` where the change is in another domain, or the code of the refusal. */
  result: T.String(),
  hash: T.String(),
});
export type Entry = Static<typeof Entry>;

const Heads = T.Array(
  T.Object({
    chain: T.Integer(),
    seq: T.Integer(),
    hash: T.String(),
    /** Of the last entry. */ id: T.String(),
  }),
);
export type Heads = Static<typeof Heads>;

export const audit = declare("audit", {
  list: {
    rest: "GET /admin/audit",
    summary: { en: "The audit log, newest first", "zh-CN": "审计日志（新的在前）" },
    params: T.Object({ ...Filter, ...Page }),
    returns: List(Entry),
    access: "administrator",
  },
  csv: {
    rest: "GET /admin/audit.csv",
    summary: {
      en: "The newest 100,000 of these entries as CSV",
      "zh-CN": "导出审计日志 CSV（最新 10 万条）",
    },
    params: T.Object(Filter),
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: "administrator",
    priority: "low",
    timeout: 30_000,
  },
  verify: {
    rest: "GET /admin/audit/verify",
    summary: {
      en: "Whether the log is whole: every entry is there and as it was written; with a checkpoint, also the one that was signed",
      "zh-CN": "校验日志的完整性；附检查点时一并核对签名",
    },
    params: T.Object({ checkpoint: T.Optional(T.String({ minLength: 1, maxLength: 8_000 })) }),
    returns: T.Object({
      ok: T.Boolean(),
      /** How many entries were looked at. */
      checked: T.Integer(),
      /** The first entry that does not fit, or is missing at the end of its chain. */
      firstBroken: Nullable(T.String()),
      /** What is wrong with it. */
      reason: T.Optional(T.String()),
    }),
    access: "administrator",
    timeout: 300_000,
  },
  checkpoints: {
    rest: "GET /admin/audit/checkpoints",
    summary: {
      en: "What the log was, signed every hour; newest first",
      "zh-CN": "每小时签名的检查点（新的在前）",
    },
    params: T.Object({ ...Page }),
    returns: List(T.Object({ at: Time, heads: Heads, jws: T.String() })),
    access: "administrator",
  },
  /** What an administrator does, or is refused; answers when it is in the log. */
  record: {
    params: NewEntry,
    access: "service",
  },
  onMessage: {
    params: AnyEnvelope,
    access: "service",
    consumes: ["users.acted", "clubs.acted", "applications.acted", "activities.acted", "posts.acted"],
  },
});
