/** An applicant's answers to the questions of a club. */
import type { Static } from "typebox";
import { invalid } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import type { Question } from "../clubs/clubs.contract.ts";
import type { Answers as AnswersSchema } from "./applications.contract.ts";

export type Answers = Static<typeof AnswersSchema>;

/** Answers with the labels that their questions have now, in the order of the questions. @throws 422 by question */
export function checkAnswers(questions: readonly Question[], given: Record<string, string>): Answers {
  const wrong: FieldError[] = Object.keys(given)
    .filter((id) => !questions.some((question) => question.id === id))
    .map((id) => ({ field: `answers.${id}`, code: "UNKNOWN_FIELD" }));
  const kept: [id: string, answer: Answers[string]][] = [];
  for (const { id, label, type, required, options = [] } of questions) {
    const field = `answers.${id}`;
    const value = Object.hasOwn(given, id) ? given[id] : "";
    if (!value) {
      if (required) wrong.push({ field, code: "REQUIRED" });
    } else if (type === "choice" && !options.includes(value)) {
      wrong.push({ field, code: "NOT_ALLOWED", values: { allowed: options.join(", ") } });
    } else kept.push([id, { label, value }]);
  }
  if (wrong.length > 0) throw invalid(...wrong);
  return Object.fromEntries(kept);
}
