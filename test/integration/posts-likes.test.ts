/** Likes and views are counted, and never lost. */
import { newId } from "../../lib/ids.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { likeId } from "../../services/posts/records.ts";
import { Views } from "../../services/posts/views.ts";
import type { Forum } from "../support/posts.ts";
import { eventually, startForum } from "../support/posts.ts";
import { setup } from "../support/place.ts";

let forum: Forum;
let author: string;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(() => void (author = forum.person("Author")));

const people = (count: number) => Array.from({ length: count }, (_, i) => forum.person(`Person ${i}`));

describe("likes", () => {
  test("count once for each person, and are taken back", async () => {
    const { id } = await forum.post(author);
    const [one, other] = people(2) as [string, string];
    expect([await forum.like(id, one), await forum.like(id, one), await forum.like(id, other)]).toEqual([
      "204",
      "204",
      "204",
    ]);
    expect(await forum.get(id, one)).toMatchObject({ likeCount: 2, liked: true, version: 1 });
    expect([await forum.unlike(id, one), await forum.unlike(id, one)]).toEqual(["204", "204"]);
    expect(await forum.get(id, one)).toMatchObject({ likeCount: 1, liked: false });
    expect((await forum.list({ authorId: author }, other)).items[0]).toMatchObject({ liked: true });
  });

  test("are refused where there is nothing to like", async () => {
    const club = forum.club();
    const { id } = await forum.post(club.president, { clubId: club.id });
    expect(await forum.outcome("PUT", `/posts/${id}/like`)).toBe("401 UNAUTHENTICATED");
    expect(await forum.like(newId(), author)).toBe("404 NOT_FOUND");
    expect(await forum.like("nowhere", author)).toBe("422 VALIDATION_FAILED id=INVALID_FORMAT");
    forum.setStatus(club, "suspended");
    expect(await forum.like(id, author)).toBe("409 CLUB_NOT_ACTIVE");
    await forum.ok("DELETE", `/posts/${id}`, { as: club.president });
    expect(await forum.like(id, author)).toBe("404 NOT_FOUND");
    expect(await forum.like(id, club.president)).toBe("409 NOT_PUBLISHED");
  });

  test("of 500 people at once are 500, and those who take it back at the same time are not among them", async () => {
    const { id } = await forum.post(author);
    const all = people(500);
    expect(new Set(await Promise.all(all.map((as) => forum.like(id, as))))).toEqual(new Set(["204"]));
    expect((await forum.get(id)).likeCount).toBe(500);
    const [leaving, coming] = [all.slice(0, 100), people(50)];
    await Promise.all([
      ...leaving.map((as) => forum.unlike(id, as)),
      ...coming.map((as) => forum.like(id, as)),
      // The same person many times, to and fro, ends as they ended.
      ...Array.from({ length: 20 }, () => forum.like(id, all[499] as string)),
    ]);
    expect((await forum.get(id)).likeCount).toBe(450);
    expect(await forum.store.likes.count({ post: id })).toBe(450);
  }, 120_000);

  test("that a node has not counted before it died are counted by a sweep", async () => {
    const { id } = await forum.post(author);
    const user = forum.person();
    await forum.keeping.touch(id);
    await forum.store.likes.insertOne({ _id: likeId(id, user), post: id, user, at: Date.now() });
    // So long ago that the node cannot be at it any more.
    await forum.store.posts.updateOne({ _id: id }, { $set: { touchedAt: Date.now() - 60_000 } });
    await eventually(async () => (await forum.get(id)).likeCount === 1 || undefined);
    await eventually(async () => (await forum.stored(id))?.touchedAt === undefined || undefined);
  });

  test("of who is erased are gone, and so is what their posts said before", async () => {
    const [gone, other] = people(2) as [string, string];
    const { id } = await forum.post(author);
    const { id: theirs } = await forum.post(gone);
    await forum.ok("PATCH", `/posts/${theirs}`, { as: gone, body: { title: "Changed" } });
    await forum.ok("PATCH", `/posts/${id}`, { as: author, body: { title: "Changed" } });
    for (const as of [gone, other]) await forum.like(id, as);
    await forum.deliver("posts.onUserErased", "users.erased", { type: "user", id: gone });
    expect((await forum.get(id)).likeCount).toBe(1);
    expect(await forum.store.likes.count({ user: gone })).toBe(0);
    expect(await forum.store.revisions.count({ post: theirs })).toBe(0);
    expect(await forum.store.revisions.count({ post: id })).toBe(1);
    expect((await forum.get(theirs)).title).toBe("Changed");
  });
});

describe("views", () => {
  test("are those of others", async () => {
    const { id } = await forum.post(author);
    await forum.get(id, author);
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => forum.get(id, i % 2 ? forum.person() : undefined)),
    );
    await eventually(async () => (await forum.stored(id))?.viewCount === 30 || undefined);
    expect((await forum.stored(id))?.version).toBe(1);
  });

  test("that cannot be written are written later", async () => {
    const { id } = await forum.post(author);
    let broken = true;
    const warnings: string[] = [];
    const { posts } = forum.store;
    const updateOne: typeof posts.updateOne = (...given) =>
      broken ? Promise.reject(new Error("The disk is full.")) : posts.updateOne(...given);
    const views = new Views(
      { posts: { updateOne } },
      { warn: (text: unknown) => warnings.push(String(text)) },
    );
    for (let i = 0; i < 5; i++) views.count(id);
    await views.flush();
    expect(warnings).toHaveLength(1);
    views.count(id);
    broken = false;
    await views.stop();
    expect((await forum.stored(id))?.viewCount).toBe(6);
  });

  test("survive a clean stop", async () => {
    if (setup !== "embedded") return;
    const dataDir = await mkdtemp(path.join(tmpdir(), "club-alliance-views-"));
    try {
      const first = await startForum({ DATA_DIR: dataDir });
      const { id } = await first.post(first.person());
      await Promise.all(Array.from({ length: 40 }, () => first.get(id)));
      await first.stop();
      const second = await startForum({ DATA_DIR: dataDir });
      expect((await second.stored(id))?.viewCount).toBe(40);
      await second.stop();
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 60_000);
});
