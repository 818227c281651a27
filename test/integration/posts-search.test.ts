import { PostIndex } from "../../services/search/post-index.ts";
import { type PostSearch, PostsWorld, startPostSearch } from "../support/search-posts.ts";
import { visible } from "../support/search-documents.ts";

const CLUB = "0199-club-a";
const OTHER = "0199-club-b";
const world = new PostsWorld();
let near: PostSearch;
const titles: PostSearch["titles"] = (q, more) => near.titles(q, more);

beforeAll(async () => {
  world.post("周末读书会报名", {
    body: "本周六在**图书馆**读《三体》。",
    clubId: CLUB,
    tags: ["读书", "活动"],
  });
  world.post("围棋比赛公告", { body: "欢迎报名，也欢迎旁观。读书会改期。", clubId: OTHER, tags: ["棋类"] });
  world.post("Robotics workshop", {
    body: "We build robots & <b>drones</b> with 机器人 kits",
    tags: ["DIY"],
  });
  world.post("Debate on AI", { body: "A weekly debate about robotics and the law", clubId: CLUB });
  world.post("求一本 C++ 的书", { body: "二手也行" });
  world.post("Held draft", { status: "held", shown: false });
  near = await (await startPostSearch(world)).built();
});
afterAll(() => near?.stop());

describe("finding", () => {
  test("Chinese: words, a single character, several words in any order", async () => {
    expect(await titles("图书馆")).toEqual(["周末读书会报名"]);
    expect(await titles("棋")).toEqual(["围棋比赛公告"]);
    expect(await titles("报名 周末")).toEqual(["周末读书会报名"]);
    expect(await titles("改期旁观")).toEqual(["围棋比赛公告"]);
    expect(await titles("天文")).toEqual([]);
  });

  test("in the title first, of equal ones the newer first", async () => {
    expect(await titles("读书会")).toEqual(["周末读书会报名", "围棋比赛公告"]);
    expect(await titles("robotics")).toEqual(["Robotics workshop", "Debate on AI"]);
    const [old, young] = [world.post("旧的长跑通知"), world.post("新的长跑通知")];
    for (const post of [young, old]) await near.tell("posts.published", post);
    expect(await titles("长跑")).toEqual(["新的长跑通知", "旧的长跑通知"]);
  });

  test("English: the beginning of a word, another case, full width, a typo; C++ is not C", async () => {
    expect(await titles("worksh")).toEqual(["Robotics workshop"]);
    expect(await titles("ＤＥＢＡＴＥ")).toEqual(["Debate on AI"]);
    expect(await titles("robotcs")).toEqual(["Robotics workshop", "Debate on AI"]);
    expect(await titles("c++")).toEqual(["求一本 C++ 的书"]);
    expect(await titles("c#")).toEqual([]);
  });

  test("mixed", async () => {
    expect(await titles("机器人kits")).toEqual(["Robotics workshop"]);
    expect(await titles("c++ 书")).toEqual(["求一本 C++ 的书"]);
  });

  test("pinyin of titles: two syllables, three, an unfinished one, a typo; not of bodies", async () => {
    expect(await titles("dushu")).toEqual(["周末读书会报名"]);
    expect(await titles("dushuhui")).toEqual(["周末读书会报名"]);
    expect(await titles("weiqibis")).toEqual(["围棋比赛公告"]);
    expect(await titles("wieqi")).toEqual(["围棋比赛公告"]);
    expect(await titles("tushuguan")).toEqual([]);
    // Another character of the same sound.
    expect(await titles("毒书")).toEqual(["周末读书会报名"]);
  });

  test("where no post has all words, any of them will do", async () => {
    expect(await titles("图书馆 drones")).toEqual(["周末读书会报名", "Robotics workshop"]);
  });

  test("by a tag's words; a tag and a club as filters", async () => {
    expect(await titles("棋类")).toEqual(["围棋比赛公告"]);
    expect(await titles("报名", { tag: "读书" })).toEqual(["周末读书会报名"]);
    expect(await titles("报名", { clubId: OTHER })).toEqual(["围棋比赛公告"]);
    expect(await titles("报名", { clubId: OTHER, tag: "读书" })).toEqual([]);
    expect(await titles("robotics", { clubId: CLUB })).toEqual(["Debate on AI"]);
    expect(await titles("报名", { tag: "读" })).toEqual([]);
  });

  test("nothing to look for", async () => {
    expect(await near.ask("!?")).toEqual({ items: [], total: 0, nextCursor: null });
  });

  test("what is not shown is not found", async () => {
    expect(await titles("draft")).toEqual([]);
  });
});

describe("highlights", () => {
  const highlightsOf = async (q: string) => (await near.ask(q)).items[0]?.highlights;

  test("of the title and the body, without marks", async () => {
    expect(await highlightsOf("读书会 图书馆")).toEqual({
      title: "周末<em>读书会</em>报名",
      body: "本周六在<em>图书馆</em>读《三体》。",
    });
    expect(await highlightsOf("dushu")).toEqual({ title: "周末<em>读书</em>会报名" });
  });

  test("are escaped but for em", async () => {
    const post = world.post(`"Tea" & <Coffee>`, {
      body: `\`<script>\` alert(espresso) && \\<img\\> ${"x ".repeat(9)}`,
    });
    await near.tell("posts.published", post);
    expect(await highlightsOf("coffee")).toEqual({ title: "&quot;Tea&quot; &amp; &lt;<em>Coffee</em>&gt;" });
    const body = (await highlightsOf("espresso"))?.["body"] ?? "";
    expect(body).toContain("alert(<em>espresso</em>) &amp;&amp; &lt;img&gt;");
    expect(body.replace(/<\/?em>/g, "")).not.toMatch(/[<>"']/);
  });

  test("of a long body about a hundred characters", async () => {
    const post = world.post("长文", { body: `${"前言，".repeat(2000)}水母养殖${"，后记".repeat(2000)}` });
    await near.tell("posts.published", post);
    const body = (await highlightsOf("水母养殖"))?.["body"] ?? "";
    expect(body).toContain("<em>水母养殖</em>");
    expect(visible(body).length).toBeLessThanOrEqual(100);
    expect(visible(body).length).toBeGreaterThan(60);
  });
});

describe("pages", () => {
  test("nothing twice, nothing left out, the total on each; also while posts come and go", async () => {
    const club = "0199-club-pages";
    const posts = Array.from({ length: 45 }, (_, i) => world.post(`航模 ${i}`, { clubId: club }));
    await Promise.all(posts.map((post) => near.tell("posts.published", post)));
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 5; page++) {
      const found = await near.ask("航模", { clubId: club, limit: 10, cursor });
      seen.push(...found.items.map(({ id }) => id));
      expect(found.total).toBe(45 + page);
      cursor = found.nextCursor;
      if (cursor === null) break;
      // Newer than all: before the first page.
      await near.tell("posts.published", world.post("航模", { clubId: club }));
    }
    expect(cursor).toBeNull();
    expect(seen).toHaveLength(45);
    expect(new Set(seen)).toEqual(new Set(posts.map(({ id }) => id)));
  });

  test("a cursor of another list is refused", async () => {
    await expect(near.ask("航模", { cursor: "x" })).rejects.toMatchObject({ type: "INVALID_CURSOR" });
  });
});

describe("changes", () => {
  test("a post that is changed, held, approved and removed", async () => {
    const post = world.post("蝴蝶标本展");
    await near.tell("posts.published", post);
    expect(await titles("蝴蝶")).toEqual(["蝴蝶标本展"]);
    await near.tell("posts.changed", world.change(post.id, { title: "甲虫标本展" }));
    expect(await titles("蝴蝶")).toEqual([]);
    expect(await titles("甲虫")).toEqual(["甲虫标本展"]);
    await near.tell("posts.held", world.change(post.id, { status: "held", shown: false }));
    expect(await titles("甲虫")).toEqual([]);
    await near.tell("posts.published", world.change(post.id, { status: "published", shown: true }));
    expect(await titles("甲虫")).toEqual(["甲虫标本展"]);
    await near.tell("posts.removed", world.change(post.id, { status: "removed", shown: false }));
    expect(await titles("甲虫")).toEqual([]);
  });

  test("messages out of order, late and again", async () => {
    const post = world.post("蜜蜂观察");
    const renamed = world.change(post.id, { title: "胡蜂观察" });
    await near.tell("posts.changed", renamed);
    await near.tell("posts.published", post);
    expect(await titles("胡蜂")).toEqual(["胡蜂观察"]);
    const removed = world.change(post.id, { status: "removed", shown: false });
    await near.tell("posts.removed", removed);
    await near.tell("posts.changed", renamed);
    await near.tell("posts.removed", removed);
    expect(await titles("胡蜂")).toEqual([]);
  });

  test("a copy of the posts that is behind the message is asked again", async () => {
    const post = world.post("潜水入门");
    await expect(near.tell("posts.changed", { ...post, version: 2 })).rejects.toMatchObject({
      type: "UNAVAILABLE",
    });
    expect(await titles("潜水")).toEqual([]);
    await near.tell("posts.changed", world.change(post.id, { body: "水下" }));
    expect(await titles("潜水")).toEqual(["潜水入门"]);
  });

  test("a post that is gone altogether", async () => {
    const post = world.post("蜉蝣");
    await near.tell("posts.published", post);
    world.posts.delete(post.id);
    expect(await titles("蜉蝣")).toEqual(["?"]);
    await near.tell("posts.removed", post);
    expect(await titles("蜉蝣")).toEqual([]);
  });
});

describe("building", () => {
  test("anew: lost messages are made good, in several pages, once for all who ask", async () => {
    const lost = world.post("猎鹰讲座");
    for (let i = 0; i < 250; i++) world.post(`填充 ${i}`);
    expect(await titles("猎鹰")).toEqual([]);
    expect(await Promise.all([near.rebuild(), near.rebuild()])).toEqual([
      world.shown.length,
      world.shown.length,
    ]);
    expect(await titles("猎鹰")).toEqual(["猎鹰讲座"]);
    expect((await near.ask("填充")).total).toBe(250);
    // Silently gone.
    world.change(lost.id, { status: "removed", shown: false });
    await near.rebuild();
    expect(await titles("猎鹰")).toEqual([]);
  });

  test("while it is under way the old index answers, and changes are in both", async () => {
    const gone = world.shown.find(({ title }) => title === "填充 7");
    const renamed = world.shown.find(({ title }) => title === "填充 249");
    if (!gone || !renamed) throw new Error("The test before has made them.");
    let release = (): void => undefined;
    const reached = new Promise<void>((resolve) => {
      world.beforePage = () => {
        resolve();
        return new Promise((go) => (release = go));
      };
    });
    const building = near.rebuild();
    await reached;
    world.beforePage = async () => undefined;
    await near.tell("posts.held", world.change(gone.id, { status: "held", shown: false }));
    await near.tell("posts.changed", world.change(renamed.id, { title: "海豚" }));
    const fresh = world.post("鲸鱼");
    await near.tell("posts.published", fresh);
    expect(await titles("鲸鱼")).toEqual(["鲸鱼"]);
    expect((await near.ask("填充")).total).toBe(248);
    release();
    await building;
    expect(await titles("鲸鱼")).toEqual(["鲸鱼"]);
    expect(await titles("海豚")).toEqual(["海豚"]);
    expect((await near.ask("填充")).total).toBe(248);
  });

  test("while posts is away it fails, and the old index goes on", async () => {
    world.away = true;
    try {
      await expect(near.rebuild()).rejects.toThrow();
      expect(await titles("鲸鱼")).toEqual(["鲸鱼"]);
    } finally {
      world.away = false;
    }
    expect(await near.rebuild()).toBe(world.shown.length);
  });

  test("building lets others have their turn", async () => {
    const index = new PostIndex();
    const body = "观测星空，".repeat(2000);
    const posts = Array.from({ length: 100 }, (_, i) => ({ ...world.post("-"), title: `天文${i}`, body }));
    let turns = 0;
    const ticking = setInterval(() => turns++, 0);
    await index.rebuild(async function* () {
      yield posts;
    });
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(3);
  });
});
