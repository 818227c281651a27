/** The hottest posts: their order, their pages, and that they are what the documents say. */
import fc from "fast-check";
import { memoryBoard } from "../../services/posts/boards.ts";
import { isBehind, Ranking } from "../../services/posts/ranking.ts";
import type { Board, Entry } from "../../services/posts/ranking.ts";
import { scoreOf } from "../../services/posts/records.ts";
import type { Club, Forum, PostList } from "../support/posts.ts";
import { eventually, startForum } from "../support/posts.ts";

let forum: Forum;
let club: Club;
let author: string;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(() => {
  club = forum.club();
  author = forum.member(club);
});

const hot = (query: object = {}, as?: string) =>
  forum.ok<PostList>("GET", `/posts/hot?${new URLSearchParams({ ...query }).toString()}`, { as });
const hotIds = async (query: object = {}) => (await hot(query)).items.map(({ id }) => id);
/** Until the cached page has gone. */
const becomes = (query: object, ids: readonly string[]) =>
  eventually(async () => {
    const { items } = await forum.list({ clubId: club.id, sort: "hot", ...query });
    return JSON.stringify(items.map(({ id }) => id)) === JSON.stringify(ids) || undefined;
  });

async function write(count: number): Promise<string[]> {
  const made: string[] = [];
  for (let i = 0; i < count; i++) made.push((await forum.post(author, { clubId: club.id })).id);
  return made;
}
async function likes(id: string, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => forum.like(id, forum.person())));
}

test("what got more is hotter, an answer counts as two likes; ten times as many make up for 12.5 hours", () => {
  const at = { createdAt: Date.now() };
  const score = (likeCount: number, commentCount = 0, hours = 0) =>
    scoreOf({ likeCount, commentCount, createdAt: at.createdAt + hours * 3_600_000 });
  expect(score(3)).toBeGreaterThan(score(2));
  expect(score(0, 2)).toBeCloseTo(score(4), 9);
  expect(score(1, 0, 12.5)).toBeCloseTo(score(10), 9);
});

test("follows likes, removals and what is pinned", async () => {
  const [a, b, c] = (await write(3)) as [string, string, string];
  await becomes({}, [c, b, a]);
  await likes(a, 4);
  await becomes({}, [a, c, b]);
  await forum.ok("PUT", `/posts/${b}/pin`, { as: club.president });
  await becomes({}, [b, a, c]);
  await becomes({ authorId: author }, [b, a, c]);
  await forum.ok("DELETE", `/posts/${b}`, { as: author });
  expect(await hotIds({ limit: 3 })).not.toContain(b);
  await becomes({}, [a, c]);
  expect((await hot({ limit: 1 })).items[0]?.id).toBe(a);
});

test("has pages that have everything once, from the board and from the documents", async () => {
  const made = await write(9);
  for (const [i, id] of made.entries()) await likes(id, (i * 7) % 5);
  await forum.ok("PUT", `/posts/${made[3]}/pin`, { as: club.president });
  const { posts } = forum.store;
  const inOrder = (
    await posts.find({ clubId: club.id, shown: true }, { sort: { pinned: -1, score: -1, _id: -1 } })
  ).map(({ _id }) => _id);
  await becomes({}, inOrder);
  for (const limit of [1, 2, 4, 9])
    expect(await forum.pages({ clubId: club.id, sort: "hot", limit })).toEqual(inOrder);
  const everywhere: string[] = [];
  let cursor: string | null = null;
  do {
    const page: PostList = await hot({ limit: 4, ...(cursor !== null && { cursor }) });
    everywhere.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  expect(new Set(everywhere).size).toBe(everywhere.length);
  expect(everywhere.length).toBe(await posts.count({ shown: true }));
  expect(await forum.outcome("GET", "/posts/hot?cursor=nonsense")).toMatch(/^422 INVALID_CURSOR/);
});

test("is each caller's own in what they like, in their language", async () => {
  const [id] = (await write(1)) as [string];
  const user = forum.person();
  await forum.like(id, user);
  const gone = await forum.post(forum.person("Gone", { status: "erased" }));
  await eventually(async () => (await hot()).items.some((post) => post.id === gone.id) || undefined);
  const own = await hot({}, user);
  expect(own.items.find((post) => post.id === id)?.liked).toBe(true);
  expect((await hot()).items[0]).not.toHaveProperty("liked");
  const headers = { "accept-language": "zh-CN" };
  const { body } = await forum.call<PostList>("GET", "/posts/hot", { headers });
  expect(body.items.find((post) => post.id === gone.id)?.author.displayName).toBe("已注销用户");
  expect((await hot()).items.find((post) => post.id === gone.id)?.author.displayName).toBe("deleted user");
});

test("is read from the documents while the board is broken, and what it missed is put later", async () => {
  const [a, b] = (await write(2)) as [string, string];
  const good = memoryBoard();
  let broken = false;
  const board = Object.fromEntries(
    Object.entries(good).map(([name, work]: [string, (...given: never[]) => Promise<unknown>]) => [
      name,
      (...given: never[]) => (broken ? Promise.reject(new Error("away")) : work(...given)),
    ]),
  ) as unknown as Board;
  const ranking = new Ranking(forum.store, board);
  const order = async () => (await ranking.page(club.id, null, 10)).map(({ id }) => id);
  const raise = async (id: string) => {
    await forum.store.posts.updateOne({ _id: id }, { $inc: { score: 1 } });
    const post = await forum.stored(id);
    if (post) await ranking.changed(post);
  };
  expect(await order()).toEqual([b, a]);
  broken = true;
  await raise(a);
  expect(await order()).toEqual([a, b]);
  await expect(ranking.catchUp()).rejects.toThrow("away");
  broken = false;
  expect(await order()).toEqual([a, b]);
  // The board itself is still as it was until then.
  expect((await good.read(club.id, null, 10))?.entries.map(({ id }) => id)).toEqual([b, a]);
  await ranking.catchUp();
  expect((await good.read(club.id, null, 10))?.entries.map(({ id }) => id)).toEqual([a, b]);
});

test("a board has the hottest whatever is put and dropped, or says that it does not know", async () => {
  const change = fc.record({
    id: fc.integer({ min: 0, max: 2_500 }),
    rank: fc.nat(9_999),
    drop: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 300 }),
      fc.integer({ min: 900, max: 1_200 }),
      async (changes, size) => {
        const truth = new Map(Array.from({ length: size }, (_, i) => [`${i}`, (i * 7_919) % 10_000]));
        const inOrder = (): Entry[] =>
          [...truth]
            .map(([id, rank]) => ({ id, rank }))
            .toSorted((one, other) => (isBehind(one, other) ? 1 : -1));
        const board = memoryBoard();
        const first = inOrder();
        await board.fill("all", first.slice(0, 1_000), size <= 1_000, await board.generation("all"));
        for (const { id, rank, drop } of changes) {
          if (drop) truth.delete(`${id}`);
          else truth.set(`${id}`, rank);
          await (drop ? board.drop("all", `${id}`) : board.put("all", { id: `${id}`, rank }));
        }
        const found = await board.read("all", null, 2_000);
        if (!found) return;
        const wanted = inOrder();
        expect(found.entries).toEqual(wanted.slice(0, found.entries.length));
        if (found.ends) expect(found.entries.length).toBe(wanted.length);
      },
    ),
    { numRuns: 30 },
  );
});
