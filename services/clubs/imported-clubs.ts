/** Clubs of an import: what a row says, whether there is such a club, and how new ones are made. */
import { Type as T } from "typebox";
import type { Static } from "typebox";
import type { Row, Statements, Tx } from "../../lib/database.ts";
import type { FieldError } from "../../lib/errors.ts";
import {
  because,
  columnOf,
  differing,
  dueAt,
  idOfRow,
  listOf,
  rowCheck,
  valuesOf,
} from "../../lib/imports.ts";
import type { Batch, BatchRow, Claim } from "../../lib/imports.ts";
import { lookThrough, textFields, textsAt } from "../../lib/moderation/fields.ts";
import type { WordFilter } from "../../lib/moderation/filter.ts";
import { clubs } from "./clubs.contract.ts";
import { columnsOf, withoutRepeats } from "./fields.ts";
import type { Standing } from "./import-batch.ts";
import type { ClubRow } from "./rows.ts";
import { about } from "./rows.ts";
import { foldedKey } from "./text.ts";

const { name, summary, category, description, tags, joinPolicy } = clubs.actions.create.params.properties;
// That a param may be left out does not come with its schema.
const Params = T.Object({
  name,
  summary,
  category,
  description: T.Optional(description),
  tags: T.Optional(tags),
  joinPolicy: T.Optional(joinPolicy),
});
const check = rowCheck(Params);
const MODERATED: readonly string[] = clubs.actions.create.moderate;
const TEXTS = textFields(Params).filter(({ path }) => MODERATED.includes(path));

export interface ClubCandidate {
  row: number;
  id: string;
  nameKey: string;
  president: string;
  fields: Static<typeof Params> &
    Required<Pick<Static<typeof Params>, "description" | "tags" | "joinPolicy">>;
  /** By column, as it would be stored, to be held against what is there; `given` are the columns that the row fills. */
  stored: Record<string, string>;
  given: Record<string, string>;
}

/** What a row says, or why it cannot be taken. @param presidentOf who is meant by a user name or e-mail */
export function readClub(
  { importId, at, by }: Batch,
  row: BatchRow,
  words: WordFilter,
  presidentOf: (login: string) => string | null,
): ClubCandidate | FieldError[] {
  const { values, bad } = valuesOf(row);
  if (bad.length > 0) return bad;
  const { president: login, tags: list, ...rest } = values;
  const president = login === undefined ? by : presidentOf(login);
  if (president === null) bad.push(because("president", "UNKNOWN_PERSON"));
  const found = check({
    ...rest,
    ...(list !== undefined && { tags: listOf(list) }),
  });
  if ("bad" in found || president === null) return [...("bad" in found ? found.bad : []), ...bad];
  const { params } = found;
  const { refused, held, masked } = lookThrough(words, params, TEXTS);
  const forbidden = [...new Set([...refused, ...held].map(columnOf))];
  if (forbidden.length > 0) return forbidden.map((field) => because(field, "FORBIDDEN_CONTENT"));
  for (const { field, path, text } of masked)
    textsAt(params, path)
      .find((each) => each.field === field)
      ?.replace(text);
  const fields = {
    ...params,
    description: params.description ?? "",
    tags: withoutRepeats(params.tags ?? []),
    joinPolicy: params.joinPolicy ?? ("review" as const),
  };
  const stored = comparable(fields, president);
  return {
    row: row.row,
    id: idOfRow(importId, at, row.row),
    nameKey: foldedKey(fields.name),
    president,
    fields,
    stored,
    given: Object.fromEntries(Object.entries(stored).filter(([column]) => values[column] !== undefined)),
  };
}

function comparable(
  {
    name: called,
    summary: short,
    description: long,
    category: slug,
    tags: list,
    joinPolicy: policy,
  }: {
    name: string;
    summary: string;
    description: string;
    category: string;
    tags: readonly string[];
    joinPolicy: string;
  },
  president: string,
): Record<string, string> {
  return {
    name: foldedKey(called),
    summary: short,
    description: long,
    category: slug,
    tags: JSON.stringify(list),
    joinPolicy: policy,
    president,
  };
}

/** A name that no other club of the file can have. */
export function claimOfClub({ nameKey, stored, given }: ClubCandidate): Claim {
  return { keys: [{ field: "name", key: nameKey }], stored, given };
}

/** How rows stand to the clubs and categories that are there. */
export async function judgeClubs(
  statements: Statements,
  candidates: readonly ClubCandidate[],
): Promise<(candidate: ClubCandidate) => Standing> {
  const slugs = await statements.all<{ slug: string }>("SELECT slug FROM categories");
  const known = new Set(slugs.map(({ slug }) => slug));
  const keys = [...new Set(candidates.map(({ nameKey }) => nameKey))];
  const rows = await statements.all<ClubRow & { name_key: string; president: string | null }>(
    `SELECT c.*, m.user_id AS president FROM clubs c
     LEFT JOIN members m ON m.club_id = c.id AND m.role = 'president' WHERE c.name_key IN (:keys)`,
    { keys },
  );
  const byKey = new Map(rows.map((row) => [row.name_key, row]));
  return ({ fields, nameKey, given }) => {
    if (!known.has(fields.category)) return [because("category", "INVALID_REFERENCE")];
    const club = byKey.get(nameKey);
    if (!club) return "new";
    if (club.status !== "active" || !club.ready) return [because("name", "TAKEN")];
    const list = JSON.parse(club.tags) as string[];
    const { name: called, summary: short, description: long, category: slug, join_policy: policy } = club;
    const there = comparable(
      { name: called, summary: short, description: long, category: slug, tags: list, joinPolicy: policy },
      club.president ?? "",
    );
    const wrong = differing(there, given);
    return wrong.length === 0 ? "same" : wrong.map((field) => because(field, "DIFFERS"));
  };
}

/** Makes clubs, each with its president, and tells of them. */
export async function writeClubs(tx: Tx, batch: Batch, candidates: readonly ClubCandidate[]): Promise<void> {
  const now = Date.now();
  const rows = candidates.map((candidate): Row => ({
    ...columnsOf({ ...candidate.fields, logoFileId: null, questions: [], reviewStages: ["officer"] }, true),
    id: candidate.id,
    status: "active",
    version: 1,
    revision: 1,
    member_count: 1,
    favorite_count: 0,
    created_by: candidate.president,
    created_at: now,
    updated_at: now,
    saga_id: batch.importId,
    ready: 1,
  }));
  await tx.insertAll("clubs", rows);
  await tx.insertAll(
    "club_tags",
    candidates.flatMap(({ id, fields }) =>
      fields.tags.map((tag) => ({ tag_key: foldedKey(tag), club_id: id })),
    ),
  );
  await tx.insertAll(
    "members",
    candidates.map(({ id, president }) => ({
      club_id: id,
      user_id: president,
      role: "president",
      title: null,
      joined_at: now,
      version: 1,
    })),
  );
  await tx.tellAll(
    candidates.flatMap(({ id, row, president, fields: { name: called } }) => {
      const due = { dueAt: dueAt(batch, row) };
      const approved = { name: called, from: "pending", to: "active", reason: null, by: batch.by };
      return [
        { ...about({ id, version: 1 }, "clubs.created", { name: called, createdBy: president }), ...due },
        { ...about({ id, version: 1 }, "clubs.statusChanged", approved), ...due },
      ];
    }),
  );
}
