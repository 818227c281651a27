/** The categories of a request's body, checked. */
import { invalid, isRefusal } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { compileCheck } from "../../lib/validate.ts";
import { CategoryNames } from "../clubs/clubs.contract.ts";
import { MAX_CATEGORIES } from "./management.contract.ts";

const check = compileCheck(CategoryNames);

/** @throws 422 that names what is wrong by its place in the list */
export function readCategories(given: unknown): CategoryNames[] {
  if (!Array.isArray(given)) throw invalid({ field: "", code: "WRONG_TYPE", values: { expected: "array" } });
  if (given.length === 0) throw invalid({ field: "", code: "TOO_FEW", values: { limit: 1 } });
  if (given.length > MAX_CATEGORIES)
    throw invalid({ field: "", code: "TOO_MANY", values: { limit: MAX_CATEGORIES } });
  const errors: FieldError[] = [];
  const categories = given.flatMap((item: unknown, index) => checked(item, index, errors));
  const slugs = categories.map(({ slug }) => slug);
  for (const [index, slug] of slugs.entries())
    if (errors.length === 0 && slugs.indexOf(slug) < index)
      errors.push({ field: `[${index}].slug`, code: "DUPLICATE" });
  if (errors.length > 0) throw invalid(...errors);
  return categories;
}

function checked(item: unknown, index: number, errors: FieldError[]): CategoryNames[] {
  try {
    // What the check lets through is a category.
    return [check(item) as CategoryNames];
  } catch (error) {
    if (!isRefusal(error, "VALIDATION_FAILED")) throw error;
    for (const each of error.data.errors ?? [])
      errors.push({ ...each, field: each.field ? `[${index}].${each.field}` : `[${index}]` });
    return [];
  }
}
