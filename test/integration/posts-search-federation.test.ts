/** The search of posts over HTTP, with every domain in its place. */
import type { Answer } from "../../lib/declare.ts";
import { eventually, type Federation, startFederation } from "../support/federation.ts";

type Found = Answer<"posts.search">;
type Post = Answer<"posts.create">;
type Author = Awaited<ReturnType<Federation["register"]>>;

describe("the search of posts in the federation", () => {
  let federation: Federation;
  let author: Author;
  beforeAll(async () => {
    federation = await startFederation();
    author = await federation.register();
  }, 120_000);
  afterAll(() => federation?.stop());

  const find = (q: string, more = "") =>
    federation.ok<Found>("GET", `/posts/search?q=${encodeURIComponent(q)}${more}`);
  /** What the index itself has, whatever posts drops. */
  const total = async (q: string) => {
    const asked = { q, clubId: null, tag: null, limit: 1, cursor: null };
    return (await federation.broker.call<Answer<"search.posts">, object>("search.posts", asked)).total;
  };
  const finds = (q: string, count: number) =>
    eventually(async () => {
      const { degraded, ...found } = await find(q);
      const there = !degraded && found.total === count && found.items.length === count;
      return there ? found : undefined;
    }, 40_000);
  const write = (title: string, body: string, more: object = {}) =>
    federation.ok<Post>("POST", "/posts", { token: author.token, body: { title, body, ...more } });

  test("a post is found by its words and the pinyin of its title, with its highlights", async () => {
    const post = await write("天文观测之夜", "带上**望远镜**，在操场集合", { tags: ["天文"] });
    const { items } = await finds("望远镜", 1);
    expect(items[0]).toMatchObject({
      post: { id: post.id, title: "天文观测之夜", author: { id: author.id } },
      highlights: { body: "带上<em>望远镜</em>，在操场集合" },
    });
    expect((await find("tianwen")).items.map(({ post: { id } }) => id)).toEqual([post.id]);
    expect((await find("望远镜", `&tag=${encodeURIComponent("天文")}`)).total).toBe(1);
    expect((await find("望远镜", `&tag=${encodeURIComponent("地理")}`)).total).toBe(0);
  });

  test("a change is found by its new words alone; what its author removes is not found", async () => {
    const { id } = await write("蝴蝶标本展", "本周五");
    await finds("蝴蝶标本", 1);
    const body = { title: "甲虫图片展" };
    await federation.ok("PATCH", `/posts/${id}`, { token: author.token, body });
    await finds("甲虫", 1);
    await finds("蝴蝶", 0);
    await federation.ok("DELETE", `/posts/${id}`, { token: author.token });
    // At once, as posts drops it; and soon the index has forgotten it.
    expect((await find("甲虫")).items).toEqual([]);
    await eventually(async () => (await total("甲虫")) === 0 || undefined);
  });

  test("what is held by reports is not found until a moderator approves it", async () => {
    const { id } = await write("可疑的抽奖", "点此领取");
    await finds("抽奖", 1);
    for (let i = 0; i < 3; i++) {
      const { token } = await federation.register();
      await federation.ok("POST", `/posts/${id}/reports`, { token, body: { reason: "spam" } });
    }
    expect((await find("抽奖")).items).toEqual([]);
    await eventually(async () => (await total("抽奖")) === 0 || undefined);
    const { token } = await federation.admin();
    const moderator = await federation.register();
    await federation.ok("PUT", `/users/${moderator.id}/roles`, { token, body: { roles: ["moderator"] } });
    const queue = await federation.ok<Answer<"moderation.queue">>("GET", "/moderation/queue", {
      token: moderator.token,
    });
    const waiting = queue.items[0];
    if (!waiting) throw new Error("The post is before no moderator.");
    await federation.ok("POST", `/moderation/${waiting.id}/decision`, {
      token: moderator.token,
      body: { decision: "approve" },
    });
    await finds("抽奖", 1);
  });
});
