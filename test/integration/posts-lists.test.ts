/** The lists of posts: filters, order, pages; search; what other domains ask for. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { Club, Forum, Post } from "../support/posts.ts";
import { startForum } from "../support/posts.ts";

let forum: Forum;
let club: Club;
let author: string;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(() => {
  club = forum.club();
  author = forum.member(club);
});

async function write(count: number, more: object = {}): Promise<Post[]> {
  const made: Post[] = [];
  for (let i = 0; i < count; i++)
    made.push(await forum.post(author, { clubId: club.id, title: `Post ${i}`, ...more }));
  return made;
}
const ids = (posts: readonly { id: string }[]) => posts.map(({ id }) => id);
const refusal = (query: string, as?: string) => forum.outcome("GET", `/posts?${query}`, { as });

describe("GET /posts", () => {
  test("has the newest first, without html, of all or by club, tag, author", async () => {
    const made = ids(await write(3, { tags: ["boats"] })).toReversed();
    const other = await forum.post(forum.person(), { tags: ["boats", "water"] });
    expect(ids((await forum.list({ limit: 4 })).items)).toEqual([other.id, ...made]);
    expect(await forum.pages({ clubId: club.id })).toEqual(made);
    expect(await forum.pages({ authorId: author })).toEqual(made);
    expect((await forum.pages({ tag: "boats" })).slice(0, 4)).toEqual([other.id, ...made]);
    expect(await forum.pages({ tag: "boats", clubId: club.id })).toEqual(made);
    expect(await forum.pages({ tag: "water", authorId: author })).toEqual([]);
    const { html: _html, ...listed } = await forum.get(other.id);
    expect((await forum.list({ limit: 1 })).items).toEqual([listed]);
  });

  test("of a club has the pinned ones first, on every page", async () => {
    const made = ids(await write(7));
    const pinned = [made[1], made[4]] as [string, string];
    for (const id of pinned) await forum.ok("PUT", `/posts/${id}/pin`, { as: club.president });
    const others = made.filter((id) => !pinned.includes(id)).toReversed();
    for (const limit of [1, 2, 3, 20])
      expect(await forum.pages({ clubId: club.id, limit })).toEqual([...pinned.toReversed(), ...others]);
    expect(await forum.pages({ authorId: author, limit: 3 })).toEqual(made.toReversed());
  });

  test("is stable under what is written meanwhile", async () => {
    const made = ids(await write(6)).toReversed();
    const first = await forum.list({ clubId: club.id, limit: 2 });
    await write(3);
    const second = await forum.list({ clubId: club.id, limit: 2, cursor: first.nextCursor as string });
    await forum.ok("DELETE", `/posts/${made[1]}`, { as: author });
    const third = await forum.list({ clubId: club.id, limit: 2, cursor: second.nextCursor as string });
    expect([first, second, third].flatMap(({ items }) => ids(items))).toEqual(made);
    expect(third.nextCursor).toBeNull();
  });

  test("refuses what it does not know", async () => {
    const { nextCursor } = await forum.list({ clubId: (await write(2), club.id), limit: 1 });
    expect(await refusal(`limit=0`)).toMatch(/^422 VALIDATION_FAILED limit=/);
    expect(await refusal(`sort=best`)).toMatch(/^422 VALIDATION_FAILED sort=/);
    expect(await refusal(`nonsense=1`)).toMatch(/^422 VALIDATION_FAILED nonsense=/);
    expect(await refusal(`cursor=nonsense`)).toMatch(/^422 INVALID_CURSOR/);
    expect(await refusal(`cursor=${nextCursor}`)).toMatch(/^422 INVALID_CURSOR/);
    expect(await refusal(`cursor=${nextCursor}&clubId=${club.id}&sort=hot`)).toMatch(/^422 INVALID_CURSOR/);
  });

  test("ends a page where an answer would become too large, and goes on behind it", async () => {
    const made = ids(await write(14, { body: "船".repeat(50_000) })).toReversed();
    const first = await forum.list({ clubId: club.id, limit: 100 });
    expect(first.items.length).toBeGreaterThan(0);
    expect(first.items.length).toBeLessThan(14);
    expect(await forum.pages({ clubId: club.id, limit: 100 })).toEqual(made);
    expect(await forum.pages({ clubId: club.id, limit: 100, sort: "hot" })).toHaveLength(14);
    const asked = await forum.broker.call<Answer<"posts.records">, object>("posts.records", { ids: made });
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.length).toBeLessThan(14);
  }, 60_000);
});

describe("search", () => {
  const hit = (id: string) => ({ id, score: 2, highlights: { title: "<em>Post</em>" } });
  const search = (query: object, as?: string) =>
    forum.ok<Answer<"posts.search">>("GET", `/posts/search?${new URLSearchParams({ ...query }).toString()}`, {
      as,
    });

  test("fills what is found, and leaves out what is not shown", async () => {
    const [one, gone, other] = (await write(3)) as [Post, Post, Post];
    await forum.ok("DELETE", `/posts/${gone.id}`, { as: author });
    const asked: object[] = [];
    forum.world.hits = (params) => {
      asked.push(params);
      return { items: [other, gone, one].map(({ id }) => hit(id)), total: 3, nextCursor: "more" };
    };
    const found = await search({ q: "post", clubId: club.id, limit: 3 }, author);
    expect(asked).toEqual([{ q: "post", clubId: club.id, tag: null, limit: 3, cursor: null }]);
    expect(found).toMatchObject({ total: 3, nextCursor: "more" });
    expect(found.items).toMatchObject([
      { post: { id: other.id, liked: false }, score: 2, highlights: { title: "<em>Post</em>" } },
      { post: { id: one.id } },
    ]);
    expect(found.items[0]?.post.html).toBeUndefined();
  });

  test("asks for as many as an answer takes", async () => {
    const made = ids(await write(12, { body: "船".repeat(50_000) }));
    forum.world.hits = ({ limit, cursor }) => {
      const from = Number(cursor ?? 0);
      const next = from + limit;
      return {
        items: made.slice(from, next).map(hit),
        total: 12,
        nextCursor: next < 12 ? String(next) : null,
      };
    };
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Answer<"posts.search"> = await search({
        q: "x",
        limit: 100,
        ...(cursor !== null && { cursor }),
      });
      seen.push(...page.items.map(({ post }) => post.id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(made);
  }, 60_000);

  test("without the engine finds the newest by title, and says so", async () => {
    forum.world.hits = null;
    const made = ids(await write(2, { title: "Élan 船 " + club.id.slice(-6) }));
    await write(1);
    const found = await search({ q: `ELAN 船 ${club.id.slice(-6)}` });
    expect(found).toMatchObject({ total: 2, nextCursor: null, degraded: true });
    expect(found.items.map(({ post }) => post.id)).toEqual(made.toReversed());
    expect(await forum.outcome("GET", `/posts/search?q=x&cursor=abc`)).toBe("503 UNAVAILABLE");
    expect(await forum.outcome("GET", `/posts/search`)).toBe("422 VALIDATION_FAILED q=REQUIRED");
  });
});

describe("what other domains ask for", () => {
  test("records, whatever their status", async () => {
    const [one, other] = (await write(2)) as [Post, Post];
    await forum.ok("DELETE", `/posts/${other.id}`, { as: author });
    const found = await forum.broker.call<Answer<"posts.records">, object>("posts.records", {
      ids: [one.id, other.id, newId()],
    });
    expect(new Map(found.map(({ id, shown, status }) => [id, [shown, status]]))).toEqual(
      new Map([
        [one.id, [true, "published"]],
        [other.id, [false, "removed"]],
      ]),
    );
  });

  test("all that is shown, in pages by id", async () => {
    const made = ids(await write(5));
    await forum.ok("DELETE", `/posts/${made[2]}`, { as: author });
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: Answer<"posts.page"> = await forum.broker.call("posts.page", { after, limit: 2 });
      seen.push(...ids(page.posts));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(seen.toSorted());
    expect(seen.filter((id) => made.includes(id))).toEqual(made.filter((_, i) => i !== 2));
  });

  test("the files that posts show", async () => {
    const file = newId();
    forum.world.files.add(file);
    const [one, other] = (await write(2, { fileIds: [file] })) as [Post, Post];
    await forum.ok("DELETE", `/posts/${other.id}`, { as: author });
    const found = await forum.broker.call("posts.files", { ids: [one.id, other.id, newId()] });
    expect(found).toEqual([{ id: one.id, fileIds: [file] }]);
  });

  test("what a person has written and liked", async () => {
    const [one] = (await write(1)) as [Post];
    await forum.like(one.id, author);
    await forum.comment(one.id, author, { body: "Mine" });
    const records: object[] = [];
    for (const action of ["posts.exportUser", "comments.exportUser"] as const) {
      let cursor: string | null = null;
      do {
        const page: Answer<"posts.exportUser"> = await forum.broker.call(action, { user: author, cursor });
        records.push(...page.records);
        cursor = page.nextCursor;
      } while (cursor !== null);
    }
    expect(records).toMatchObject([
      { kind: "post", id: one.id, title: "Post 0", body: "They *float*.", status: "published" },
      { kind: "like", postId: one.id },
      { kind: "comment", postId: one.id, body: "Mine" },
    ]);
  });
});
