/** Reading the log: pages of it, newest first, and all of it as CSV. */
import type { EntryRow } from "../../lib/audit-chain.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { csvLines } from "../../lib/csv.ts";
import type { Statements, Values } from "../../lib/database.ts";
import { invalid } from "../../lib/errors.ts";
import type { Params } from "../../lib/declare.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { people } from "../../mixins/people.ts";
import type { Entry } from "./audit.contract.ts";

type Filter = Params<"audit.csv">;
/** Where an entry stands in the list. */
type Place = [at: number, id: string];

const CURSOR = "audit";
const CSV_PAGE = 500;
export const CSV_ROWS = 100_000;
const COLUMNS = [
  "id",
  "at",
  "actor",
  "actorName",
  "action",
  "subjectType",
  "subjectId",
  "changes",
  "address",
  "requestId",
  "result",
  "hash",
];

export function placeOf(cursor: string | undefined): Place | null {
  return readCursor(cursor, CURSOR, ["number", "string"]) as Place | null;
}

export function cursorOf({ at, id }: EntryRow): string {
  return writeCursor(CURSOR, [at, id]);
}

/** The next entries after `place`, newest first. @throws 422 for times that are none */
export function pageOfLog(
  statements: Statements,
  filter: Filter,
  place: Place | null,
  limit: number,
): Promise<EntryRow[]> {
  const [conditions, values] = conditionsOf(filter);
  if (place) {
    conditions.push("at <= :at AND (at < :at OR id < :id)");
    Object.assign(values, { at: place[0], id: place[1] });
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : "";
  return statements.all<EntryRow>(
    `SELECT * FROM audit_entries ${where} ORDER BY at DESC, id DESC LIMIT ${limit}`,
    values,
  );
}

function conditionsOf({ actor, action, subject, from, to, result }: Filter): [string[], Values] {
  const [type, id] = subject?.includes(":") ? splitSubject(subject) : [undefined, subject];
  const all: [string, string | number | undefined][] = [
    ["actor = :actor", actor],
    ["action = :action", action],
    ["subject_type = :type", type],
    ["subject_id = :subject", id],
    ["result = :result", result],
    ["at >= :from", from && timeOf(from, "from")],
    ["at < :to", to && timeOf(to, "to")],
  ];
  const given = all.filter(([, value]) => value !== undefined);
  const values = Object.fromEntries(given.map(([text, value]) => [/:(\w+)/.exec(text)?.[1], value]));
  return [given.map(([text]) => text), values as Values];
}

function splitSubject(subject: string): [string, string] {
  const colon = subject.indexOf(":");
  return [subject.slice(0, colon), subject.slice(colon + 1)];
}

function timeOf(text: string, field: string): number {
  const at = Date.parse(text);
  if (Number.isFinite(at)) return at;
  throw invalid({ field, code: "INVALID_FORMAT" });
}

/** Entries as administrators see them; people by their names, asked for in one call. */
export async function present(ctx: Ctx, rows: readonly EntryRow[]): Promise<Entry[]> {
  const person = await people(
    ctx,
    rows.map(({ actor }) => actor),
  );
  return rows.map((row) => ({
    id: row.id,
    at: iso(row.at),
    actor: row.actor === null ? null : person(row.actor),
    action: row.action,
    subject:
      row.subject_type === null || row.subject_id === null
        ? null
        : { type: row.subject_type, id: row.subject_id },
    changes: JSON.parse(row.changes) as Entry["changes"],
    address: row.address,
    requestId: row.request_id,
    result: row.result,
    hash: row.hash,
  }));
}

/** The CSV of a filter, page by page: no more of it is held at a time. */
export async function* csvOf(ctx: Ctx, statements: Statements, filter: Filter): AsyncGenerator<string> {
  yield `\uFEFF${csvLines([COLUMNS])}`;
  let place: Place | null = null;
  for (let sent = 0; sent < CSV_ROWS; sent += CSV_PAGE) {
    const rows: EntryRow[] = await pageOfLog(statements, filter, place, CSV_PAGE);
    const last = rows.at(-1);
    if (!last) return;
    const entries = await present(ctx, rows);
    yield csvLines(entries.map((entry, i) => lineOf(entry, rows[i] as EntryRow)));
    if (rows.length < CSV_PAGE) return;
    place = [last.at, last.id];
  }
}

function lineOf(entry: Entry, row: EntryRow): (string | null)[] {
  return [
    entry.id,
    entry.at,
    row.actor,
    entry.actor?.displayName ?? null,
    entry.action,
    row.subject_type,
    row.subject_id,
    row.changes,
    row.address,
    row.request_id,
    row.result,
    row.hash,
  ];
}
