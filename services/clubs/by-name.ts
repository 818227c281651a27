/** The search that is left while the search engine is away. */
import type { Statements } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import { foldedKey } from "./text.ts";

/** Active clubs with `q` in their name, the popular ones first. Case counts for nothing; pinyin and typos do not help. */
export async function findByName(
  statements: Statements,
  { q, category, tag, limit }: Params<"clubs.findByName">,
): Promise<Answer<"clubs.findByName">> {
  const where = `FROM clubs c
    ${tag === null ? "" : "JOIN club_tags t ON t.club_id = c.id AND t.tag_key = :tag"}
    WHERE c.status = 'active' AND INSTR(LOWER(c.name), :q) > 0
    ${category === null ? "" : "AND c.category = :category"}`;
  const values = {
    q: q.toLowerCase(),
    ...(tag !== null && { tag: foldedKey(tag) }),
    ...(category !== null && { category }),
  };
  const clubs = await statements.all<{ id: string; name: string }>(
    `SELECT c.id, c.name ${where} ORDER BY c.member_count DESC, c.id DESC LIMIT ${limit}`,
    values,
  );
  return { clubs, total: await statements.number(`SELECT COUNT(*) AS n ${where}`, values) };
}
