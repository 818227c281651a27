/** Who may see a file. */
import type { Statements } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import { partAway } from "../../mixins/file-claims.ts";
import type { Ctx } from "../../lib/implement.ts";
import { isPublic } from "./rows.ts";
import type { FileRow, SubjectType } from "./rows.ts";

/** Nobody shows a file in more places that are worth asking for. */
const MAX_SUBJECTS = 20;

type Verdict = Answer<"files.allows">["verdict"];
interface Subject {
  subject_type: SubjectType;
  subject_id: string;
}

/** The answer of the resource check. */
export async function verdictOf(
  ctx: Ctx<Params<"files.allows">>,
  statements: Statements,
  row: FileRow,
): Promise<Verdict> {
  const { user, relation } = ctx.params;
  if (user !== null && row.owner_id === user) return "yes";
  const seen =
    row.status === "ready" && (isPublic(row.purpose) || (await isShownTo(ctx, statements, row.id)));
  if (relation === "visible" && seen) return "yes";
  return seen ? "forbidden" : "hidden";
}

/** Whether the caller may see one of the things that show it. @throws when none says so and one could not be asked */
async function isShownTo(
  ctx: Ctx<Params<"files.allows">>,
  statements: Statements,
  id: string,
): Promise<boolean> {
  const subjects = await statements.all<Subject>(
    `SELECT subject_type, subject_id FROM claims WHERE file_id = :id ORDER BY claimed_at DESC LIMIT ${MAX_SUBJECTS}`,
    { id },
  );
  const answers = await Promise.allSettled(subjects.map((subject) => asked(ctx, subject)));
  if (answers.some((each) => each.status === "fulfilled" && each.value)) return true;
  const failed = answers.find((each) => each.status === "rejected");
  if (failed) throw partAway(failed.reason);
  return false;
}

async function asked(
  ctx: Ctx<Params<"files.allows">>,
  { subject_type: type, subject_id: id }: Subject,
): Promise<boolean> {
  const question = { id, relation: "visible", user: ctx.params.user, write: false };
  if (type === "post") return (await ctx.call("posts.allows", question)).verdict === "yes";
  if (type === "activity") return (await ctx.call("activities.allows", question)).verdict === "yes";
  return true;
}
