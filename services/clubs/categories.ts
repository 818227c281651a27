/** The categories of clubs: which there are, and how others take their place. */
import type { Statements, Tx } from "../../lib/database.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import type { CategoryNames } from "./clubs.contract.ts";

/** Refuses a category that there is not; one that there is stays until the transaction ends. */
export async function checkCategory(tx: Tx, category: string | undefined): Promise<void> {
  if (category === undefined) return;
  // A write takes the row's lock on every engine; MySQL does not count what it leaves as it was.
  await tx.run("UPDATE categories SET position = position WHERE slug = :category", { category });
  const known = await tx.one("SELECT slug FROM categories WHERE slug = :category", { category });
  if (!known) throw invalid({ field: "category", code: "INVALID_REFERENCE" });
}

export async function allCategories(statements: Statements): Promise<CategoryNames[]> {
  const rows = await statements.all<{ slug: string; name_en: string; name_zh: string }>(
    "SELECT slug, name_en, name_zh FROM categories ORDER BY position, slug",
  );
  return rows.map(({ slug, name_en: en, name_zh: zh }) => ({ slug, name: { en, "zh-CN": zh } }));
}

/** Puts categories in place of those that there are; returns what there was. @throws CATEGORY_IN_USE */
export async function replaceCategories(tx: Tx, wanted: readonly CategoryNames[]): Promise<CategoryNames[]> {
  // Two that replace them at once follow one another.
  await tx.run("UPDATE categories SET position = position");
  const before = await allCategories(tx);
  const gone = before.map(({ slug }) => slug).filter((slug) => wanted.every((each) => each.slug !== slug));
  // Taken away before it is looked: a club that is founded at the same time waits for the row, or is seen.
  if (gone.length > 0) await tx.run("DELETE FROM categories WHERE slug IN (:gone)", { gone });
  const used = await tx.one<{ slug: string }>(
    `SELECT category AS slug FROM clubs WHERE category IN (:gone) AND status NOT IN ('rejected', 'deleted')
     ORDER BY category LIMIT 1`,
    { gone },
  );
  if (used) throw new AppError("CATEGORY_IN_USE", { slug: used.slug });
  for (const [position, { slug, name }] of wanted.entries()) {
    const row = { slug, name_en: name.en, name_zh: name["zh-CN"], position };
    if (before.some((each) => each.slug === slug) || !(await tx.insertNew("categories", row)))
      await tx.run(
        "UPDATE categories SET name_en = :name_en, name_zh = :name_zh, position = :position WHERE slug = :slug",
        row,
      );
  }
  return before;
}
