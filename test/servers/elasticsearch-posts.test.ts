/** Posts on Elasticsearch: the same answers as embedded, changes, rebuilds, and the server away. */
import { ServiceBroker } from "moleculer";
import { post, question } from "../../bench/search-posts/posts.ts";
import type { TextQuery } from "../../lib/search/texts/index.ts";
import { Elastic, startElastic } from "../../services/search/elastic-client.ts";
import { ElasticPosts } from "../../services/search/elastic-posts.ts";
import { PostIndex } from "../../services/search/post-index.ts";
import type { PostRecord } from "../../services/posts/posts.contract.ts";
import { eventually } from "../support/eventually.ts";
import { PostsWorld, startPostSearch } from "../support/search-posts.ts";
import { startElasticsearch } from "../support/servers/elasticsearch.ts";
import { describeWith, type Server } from "../support/servers/index.ts";

const POSTS = 2_000;
const world = new PostsWorld();
for (let number = 0; number < POSTS; number++) {
  const one = post(number);
  world.posts.set(one.id, one);
}
for (const [title, body] of [
  ["周末读书会报名", "在**图书馆**读《三体》"],
  ["Robotics workshop", "We build robots and drones. 机器人"],
  ["Debate on AI", "about robotics"],
  ["求 C++ 的书", "𠮷野家见面"],
] as const)
  world.post(title, { body });

const ask = (q: string, more: Partial<TextQuery> = {}): TextQuery => ({
  q,
  clubId: null,
  tag: null,
  limit: 20,
  after: null,
  ...more,
});
const queries: TextQuery[] = [
  ..."读书 dushu dushuhui 毒书 robotics robotcs worksh c++ 图书馆 社团 的 在 𠮷野 xyzzy"
    .split(" ")
    .map((q) => ask(q)),
  ask("报名 周末"),
  ask("图书馆 drones"),
  ask("!?"),
  ...Array.from({ length: 150 }, (_, number) => ask("", question(number, POSTS))),
];

/** Until it is done: a busy server may take longer than a request is waited for. */
const surely = (work: () => Promise<unknown>): Promise<true> =>
  eventually(
    () =>
      work().then(
        () => true as const,
        () => undefined,
      ),
    60_000,
  );

async function* pages(of: PostRecord[] = world.shown): AsyncGenerator<PostRecord[]> {
  for (let i = 0; i < of.length; i += 500) yield of.slice(i, i + 500);
}

const AWAY = /^(?:UNAVAILABLE|SERVICE_NOT_AVAILABLE)$/;

describeWith(["elasticsearch"], "posts on Elasticsearch", () => {
  const broker = new ServiceBroker({ logger: false });
  const embedded = new PostIndex();
  let server: Server;
  let elastic: Elastic;
  let lost = 0;
  let index: ElasticPosts;
  beforeAll(async () => {
    server = await startElasticsearch();
    await broker.start();
    elastic = await startElastic(broker, server.url);
    index = new ElasticPosts(elastic, "club-alliance", () => lost++);
    await embedded.rebuild(() => pages());
    // A server that has just started may take longer than a request is waited for.
    await surely(() => index.rebuild(() => pages()));
  }, 150_000);
  afterAll(async () => {
    await elastic?.close();
    await broker.stop();
    await server?.stop();
  });

  test("answers as the embedded index does: totals, order, highlights", async () => {
    let found = 0;
    for (const asked of queries) {
      const [a, b] = [embedded.search(asked), await index.search(asked)];
      found += Number(a.total > 0);
      expect([asked.q, b.total]).toEqual([asked.q, a.total]);
      expect([asked.q, b.items.map(({ id }) => id)]).toEqual([asked.q, a.items.map(({ id }) => id)]);
      for (const [i, item] of b.items.entries()) {
        expect(item.highlights).toEqual(a.items[i]?.highlights);
        expect([asked.q, item.score]).toEqual([asked.q, a.items[i]?.score]);
      }
    }
    expect(found).toBeGreaterThan(queries.length * 0.9);
  }, 60_000);

  test("pages: nothing twice, nothing left out, in the order of the embedded index", async () => {
    const all = embedded.search(ask("社团", { limit: POSTS })).items.map(({ id }) => id);
    expect(all.length).toBeGreaterThan(100);
    const seen: string[] = [];
    let after: TextQuery["after"] = null;
    do {
      const { items, next } = await index.search(ask("社团", { limit: 25, after }));
      seen.push(...items.map(({ id }) => id));
      after = next;
    } while (after !== null);
    expect(seen).toEqual(all);
  });

  test("an older message never overwrites a newer one, nor brings back what is gone", async () => {
    const one = world.post("养蜂");
    const renamed = world.change(one.id, { title: "Apiarists" });
    await index.apply(one.id, renamed);
    await index.apply(one.id, one);
    expect((await index.search(ask("apiarists"))).total).toBe(1);
    const held = world.change(one.id, { status: "held", shown: false });
    await index.apply(one.id, held);
    await index.apply(one.id, renamed);
    expect((await index.search(ask("apiarists"))).total).toBe(0);
    const approved = world.change(one.id, { status: "published", shown: true });
    await index.apply(one.id, approved);
    expect((await index.search(ask("apiarists"))).total).toBe(1);
    await index.apply(one.id, null);
    await index.apply(one.id, approved);
    expect((await index.search(ask("apiarists"))).total).toBe(0);
    world.posts.delete(one.id);
  });

  test("bodies of 50,000 characters, many at once", async () => {
    const long = Array.from({ length: 120 }, (_, i) =>
      world.post(`长文 ${i}`, { body: `${"各种各样的字".repeat(8_000)}灯塔水母${i}` }),
    );
    await surely(() => Promise.all(long.map((one) => index.apply(one.id, one))));
    expect((await index.search(ask("灯塔水母"))).total).toBe(120);
    await surely(() => Promise.all(long.map(({ id }) => index.apply(id, null))));
    for (const { id } of long) world.posts.delete(id);
  }, 60_000);

  test("while it is built anew the old one answers and changes are in both; half-built ones go", async () => {
    const failing = index.rebuild(async function* () {
      yield world.shown.slice(0, 10);
      throw new Error("posts is away");
    });
    await expect(failing).rejects.toThrow("posts is away");
    const fresh = world.post("Falconers");
    const gone = world.shown.find(({ title }) => title === "Debate on AI") as PostRecord;
    const building = index.rebuild(async function* () {
      yield* pages();
      const held = world.change(gone.id, { status: "held", shown: false });
      await surely(() => Promise.all([index.apply(fresh.id, fresh), index.apply(held.id, held)]));
      expect((await index.search(ask("falconers"))).total).toBe(1);
      expect((await index.search(ask("debate on ai"))).items[0]?.id).not.toBe(gone.id);
    });
    expect(await building).toBe(world.shown.length);
    expect((await index.search(ask("falconers"))).total).toBe(1);
    const left = await elastic.call((client) => client.indices.get({ index: "club-alliance-posts-*" }));
    expect(Object.keys(left)).toHaveLength(1);
  }, 60_000);

  test("the service: frozen, it says UNAVAILABLE; running again it finds", async () => {
    const small = new PostsWorld();
    small.post("天文观测之夜");
    const env = { ELASTICSEARCH_URL: server.url, NAMESPACE: "posts-frozen" };
    const near = await startPostSearch(small, env);
    try {
      await near.built();
      expect(await near.titles("tianwen")).toEqual(["天文观测之夜"]);
      server.pause();
      // The circuit may be open already, since the server has just started.
      await expect(near.once("天文")).rejects.toMatchObject({ type: expect.stringMatching(AWAY) as string });
      const changed = small.change([...small.posts.keys()][0] ?? "", { title: "地质考察" });
      await expect(near.tell("posts.changed", changed)).rejects.toMatchObject({
        type: expect.stringMatching(AWAY) as string,
      });
      server.resume();
      // It comes again.
      await surely(() => near.tell("posts.changed", changed));
      await eventually(async () => (await near.titles("地质").catch(() => [])).length === 1 || undefined);
      expect(await near.titles("天文")).toEqual([]);
    } finally {
      server.resume();
      await near.stop();
    }
  }, 90_000);

  test("an index that is lost is told and not made by a write", async () => {
    await surely(async () => {
      const found = await elastic.call((client) => client.indices.get({ index: "club-alliance-posts-*" }));
      for (const name of Object.keys(found))
        await elastic.call((client) => client.indices.delete({ index: name }));
    });
    const one = world.shown[0] as PostRecord;
    await expect(index.apply(one.id, one)).rejects.toMatchObject({ type: "UNAVAILABLE" });
    expect(lost).toBeGreaterThan(0);
    expect(await index.exists()).toBe(false);
    await surely(() => index.rebuild(() => pages()));
    expect((await index.search(ask("读书"))).total).toBeGreaterThan(0);
  }, 60_000);
});
