/** What posts have to do with clubs: whether one is active, and that its posts follow. */
import type { ServiceBroker } from "moleculer";
import type { Answer } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { Fresh } from "../../lib/fresh.ts";
import { userOf } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import type { KeepingMethods } from "./keeping.ts";
import type { PostDocument } from "./records.ts";
import { shownWith } from "./writing.ts";

const AT_ONCE = 100;

export type ClubReader = (clubId: string) => Promise<boolean>;

/** Whether a club is active by now; all who ask at once are one question. */
export function clubReader(broker: ServiceBroker): ClubReader {
  const reading = new Fresh(async (id: string) => {
    const [club] = await broker.call<Answer<"clubs.records">, { ids: string[] }>("clubs.records", {
      ids: [id],
    });
    return club?.status === "active";
  });
  return (clubId) => reading.get(clubId);
}

/** @throws 409 where nothing may be written */
export async function demandActive(
  { clubId }: Pick<PostDocument, "clubId">,
  isActive: ClubReader,
): Promise<void> {
  if (clubId !== null && !(await isActive(clubId))) throw new AppError("CLUB_NOT_ACTIVE");
}

/** Brings all posts of a club in line with what it is by now. */
export async function followClub(
  ctx: Ctx,
  { store, changePost }: Pick<KeepingMethods, "store" | "changePost">,
  clubId: string,
  isActive: ClubReader,
): Promise<void> {
  for (;;) {
    const active = await isActive(clubId);
    const others = { clubId, clubActive: { $ne: active } };
    for (;;) {
      const posts = await store.posts.find(others, { limit: AT_ONCE });
      for (const post of posts) {
        const { change, told } = shownWith(post, active);
        // Who was faster has changed something else: it is found again.
        await changePost(ctx, post, change, told);
      }
      if (posts.length < AT_ONCE && (await store.posts.count(others)) === 0) break;
    }
    // Whoever is at this for an older change must not have the last word.
    if ((await isActive(clubId)) === active) return;
  }
}

/** The club's status. @throws 404, 403 where the caller may not write in it */
export async function demandMember(ctx: Ctx, id: string): Promise<string | undefined> {
  const { verdict, grant } = await ctx.call("clubs.allows", {
    id,
    relation: "member",
    user: userOf(ctx),
    write: true,
  });
  if (verdict === "forbidden") throw new AppError("FORBIDDEN");
  if (verdict !== "yes") throw new AppError("NOT_FOUND");
  return grant.status;
}

/** Whether somebody may lead what is written in a club. */
export async function isOfficer(ctx: Ctx, id: string | null, user: string | null): Promise<boolean> {
  if (id === null || user === null) return false;
  const { verdict } = await ctx.call("clubs.allows", { id, relation: "officer", user, write: true });
  return verdict === "yes";
}
