/** What imports and the domains that take their rows say to each other, and how rows of one file are held against another. */
import { createHash } from "node:crypto";
import type { Static, TSchema } from "typebox";
import { Type as T } from "typebox";
import { readCell } from "./csv.ts";
import type { FieldCode, FieldError } from "./errors.ts";
import { isRefusal } from "./errors.ts";
import { LanguageTag, Nullable, OneOf } from "./types.ts";
import { compileCheck } from "./validate.ts";

/** Some rows of an import, in the order of the file. */
export const Batch = T.Object({
  importId: T.String(),
  /** When the import was made (milliseconds). */
  at: T.Integer(),
  /** The administrator whose import it is, and the language that they wrote in. */
  by: T.String(),
  lang: LanguageTag,
  /** Nothing is written, and rows are not held against each other: whoever asks does that for the whole file. */
  dryRun: T.Boolean(),
  rows: T.Array(T.Object({ row: T.Integer(), cells: T.Record(T.String(), T.String()) }), { maxItems: 500 }),
});
export type Batch = Static<typeof Batch>;
export type BatchRow = Batch["rows"][number];

const Reason = T.Object({
  /** The column; "" where it is the row. */
  field: T.String(),
  code: T.String(),
  values: T.Optional(T.Record(T.String(), T.Union([T.String(), T.Integer()]))),
});

/** What a row takes that only one can have, and what it says of it. */
export const Claim = T.Object({
  keys: T.Array(T.Object({ field: T.String(), key: T.String() })),
  /** By column: what would be stored, and what the row itself gives. */
  stored: T.Record(T.String(), Nullable(T.String())),
  given: T.Record(T.String(), Nullable(T.String())),
});
export type Claim = Static<typeof Claim>;

export const Outcome = T.Object({
  row: T.Integer(),
  outcome: OneOf(["created", "unchanged", "failed"]),
  reasons: T.Optional(T.Array(Reason)),
  /** In a dry run, of a row that would be created. */
  claim: T.Optional(Claim),
});
export type Outcome = Static<typeof Outcome>;

/** Milliseconds between what the messages of two rows are due, so that consumers leave something for everybody else. */
const PACE = 5;

/** When the messages of a row are due (milliseconds since 1970). */
export function dueAt({ at }: Pick<Batch, "at">, row: number, pace = PACE): number {
  return Math.max(Date.now(), at + row * pace);
}

/** A reason why a row was not taken. */
export function because(field: string, code: FieldCode, values?: FieldError["values"]): FieldError {
  return { field, code, ...(values && { values }) };
}

/** A row that was not taken. */
export function failedRow(row: number, reasons: FieldError[]): Outcome {
  return { row, outcome: "failed", reasons };
}

/** The values of a row's cells: those that are not empty, without what keeps formulas from being run. */
export function valuesOf({ cells }: BatchRow): { values: Record<string, string>; bad: FieldError[] } {
  const values: Record<string, string> = {};
  const bad: FieldError[] = [];
  for (const [column, text] of Object.entries(cells)) {
    const value = readCell(text);
    if (value === null) bad.push(because(column, "FORMULA"));
    else if (value.trim() !== "") values[column] = value;
  }
  return { values, bad };
}

/** The items of a list inside a cell. */
export function listOf(cell: string): string[] {
  return cell
    .split(/[,;、]/)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** The check of a row by a schema of params: what it makes of them, or what is wrong, by column. */
export function rowCheck<S extends TSchema>(
  schema: S,
): (params: object) => { params: Static<S> } | { bad: FieldError[] } {
  const check = compileCheck(schema);
  return (params) => {
    try {
      // What the check lets through has the form of its schema.
      return { params: check(params) as Static<S> };
    } catch (error) {
      if (!isRefusal(error, "VALIDATION_FAILED")) throw error;
      const bad = (error.data.errors ?? []).map((each) => ({ ...each, field: columnOf(each.field) }));
      return { bad: bad.filter((each, i) => bad.findIndex(({ field }) => field === each.field) === i) };
    }
  };
}

/** `tags[2]` is in the column `tags`. */
export function columnOf(field: string): string {
  return /^\w*/.exec(field)?.[0] ?? "";
}

/** Columns whose values are given and are not those that are stored. An empty cell says nothing. */
export function differing(stored: Record<string, unknown>, given: Record<string, unknown>): string[] {
  return Object.keys(given).filter((column) => given[column] !== stored[column]);
}

/** A claim as a dry run tells it: the same file may have megabytes of texts. */
export function sealed({ keys, stored, given }: Claim): Claim {
  return { keys, stored: digests(stored), given: digests(given) };
}

function digests(values: Claim["stored"]): Claim["stored"] {
  return Object.fromEntries(
    Object.entries(values).map(([column, value]) => [column, value === null ? null : digest(value)]),
  );
}

const digest = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 16);

/** Rows of one file that would be created, and what later rows of it are then. */
export class Claims {
  readonly #holders = new Map<string, Claim>();

  /** `new`; `same` where an earlier row says as much; else why not. */
  take(claim: Claim): "new" | "same" | FieldError[] {
    const holders = claim.keys.map(({ key }) => this.#holders.get(key));
    if (holders.every((holder) => holder === undefined)) {
      for (const { key } of claim.keys) this.#holders.set(key, claim);
      return "new";
    }
    const [first] = holders;
    const fields = claim.keys.filter((_, i) => holders[i] !== undefined).map(({ field }) => field);
    const one = first !== undefined && holders.every((holder) => holder === first);
    const wrong = one ? differing(first.stored, claim.given) : fields;
    return wrong.length === 0 ? "same" : wrong.map((field) => because(field, "GIVEN_DIFFERENTLY"));
  }
}

/** The id of what a row of an import creates: the same at every try, so that a repeat finds its own. A UUIDv7. */
export function idOfRow(importId: string, at: number, row: number): string {
  const hash = createHash("sha256").update(`${importId}:${row}`).digest();
  hash.writeUIntBE(at, 0, 6);
  hash[6] = 0x70 | ((hash[6] as number) & 0x0f);
  hash[8] = 0x80 | ((hash[8] as number) & 0x3f);
  return hash.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
