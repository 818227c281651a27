/** What people are called, asked of users in one batch of ids. */
import type { Static } from "typebox";
import type { Ctx } from "../lib/implement.ts";
import type { Person as PersonSchema } from "../lib/types.ts";
import type { Answer, Language } from "../lib/declare.ts";

export type Person = Static<typeof PersonSchema>;

/** Someone who is erased or unknown, by the reader's language. */
export function nobody(language: Language | undefined): Person {
  return { id: null, displayName: language === "zh-CN" ? "已注销用户" : "deleted user", avatarFileId: null };
}

/**
 * Looks people up in one call; the answer presents each by id. Null and undefined stay null.
 * @throws UNAVAILABLE when users is away
 */
export async function people(
  ctx: Ctx,
  ids: Iterable<string | null | undefined>,
): Promise<(id: string) => Person> {
  const known = await names(ctx, ids);
  return (id) => {
    const person = known.get(id);
    if (!person || person.status === "erased") return nobody(ctx.headers.lang);
    return { id: person.id, displayName: person.displayName, avatarFileId: person.avatarFileId };
  };
}

/** The full records that other domains may know, by id. */
export async function names(
  ctx: Ctx,
  ids: Iterable<string | null | undefined>,
): Promise<Map<string, Answer<"users.names">[number]>> {
  const wanted = [...new Set([...ids].filter((id): id is string => typeof id === "string"))];
  if (wanted.length === 0) return new Map();
  const found = await ctx.call("users.names", { ids: wanted });
  return new Map(found.map((person) => [person.id, person]));
}
