/** The fields that people write into a club: what is checked beyond their form, and how they are stored. */
import type { Row, Statements, Tx } from "../../lib/database.ts";
import { isDuplicate } from "../../lib/database.ts";
import type { Params } from "../../lib/declare.ts";
import type { FieldError } from "../../lib/errors.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { claimFiles } from "../../mixins/file-claims.ts";
import { STAGES } from "./clubs.contract.ts";
import { foldedKey, sortKey } from "./text.ts";

export type Fields = Omit<Params<"clubs.update">, "id">;
type Questions = NonNullable<Fields["questions"]>;

/** Refuses what the form of the fields alone cannot: throws a 422 that names each. */
export function checkFields({ questions = [] }: Fields): void {
  const bad = questionErrors(questions);
  if (bad.length > 0) throw invalid(...bad);
}

/** Claims a new logo, which is a picture of the caller's own. @throws 422, UNAVAILABLE */
export async function claimLogo(
  ctx: Ctx,
  statements: Statements,
  id: string,
  logo?: string | null,
): Promise<void> {
  if (!logo) return;
  const club = await statements.one<{ logo_file_id: string | null }>(
    "SELECT logo_file_id FROM clubs WHERE id = :id",
    { id },
  );
  await claimFiles(ctx, {
    subject: { type: "club", id },
    purpose: "logo",
    before: [club?.logo_file_id ?? null],
    after: [logo],
    field: () => "logoFileId",
  });
}

function questionErrors(questions: Questions): FieldError[] {
  const ids = questions.map(({ id }) => id);
  return questions.flatMap(({ id, type, options }, i): FieldError[] => {
    const at = `questions[${i}]`;
    const bad: FieldError[] = [];
    if (ids.indexOf(id) < i) bad.push({ field: `${at}.id`, code: "DUPLICATE" });
    if (type === "choice" && !options) bad.push({ field: `${at}.options`, code: "REQUIRED" });
    if (type === "text" && options) bad.push({ field: `${at}.options`, code: "INVALID" });
    for (const [j, option] of (options ?? []).entries())
      if (options && options.indexOf(option) < j)
        bad.push({ field: `${at}.options[${j}]`, code: "DUPLICATE" });
    return bad;
  });
}

/** The columns of the fields given. `holdsName`: the club's name is taken by it. */
export function columnsOf(fields: Fields, holdsName: boolean): Row {
  const { name, tags, questions, reviewStages: stages } = fields;
  return {
    ...(name !== undefined && {
      name,
      name_key: holdsName ? foldedKey(name) : null,
      sort_key: sortKey(name),
    }),
    ...(fields.summary !== undefined && { summary: fields.summary }),
    ...(fields.description !== undefined && { description: fields.description }),
    ...(fields.category !== undefined && { category: fields.category }),
    ...(tags && { tags: JSON.stringify(withoutRepeats(tags)) }),
    ...(fields.logoFileId !== undefined && { logo_file_id: fields.logoFileId }),
    ...(fields.joinPolicy !== undefined && { join_policy: fields.joinPolicy }),
    ...(questions && { questions: JSON.stringify(questions) }),
    ...(stages && { review_stages: JSON.stringify(STAGES.filter((stage) => stages.includes(stage))) }),
  };
}

/** Tags that differ in nothing but case or width are one. */
export function withoutRepeats(tags: readonly string[]): string[] {
  const keys = tags.map(foldedKey);
  return tags.filter((_, i) => keys.indexOf(keys[i] as string) === i);
}

/** Writes the rows by which clubs are found by their tags. */
export async function writeTags(tx: Tx, clubId: string, tags: readonly string[]): Promise<void> {
  await tx.run("DELETE FROM club_tags WHERE club_id = :clubId", { clubId });
  for (const key of new Set(tags.map(foldedKey)))
    await tx.insert("club_tags", { tag_key: key, club_id: clubId });
}

/** Runs the statement that takes a name. */
export async function takingName<R>(write: () => Promise<R>): Promise<R> {
  try {
    return await write();
  } catch (error) {
    throw isDuplicate(error) ? new AppError("CLUB_NAME_TAKEN") : error;
  }
}
