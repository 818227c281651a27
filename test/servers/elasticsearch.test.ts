import { Elastic, startElastic } from "../../services/search/elastic-client.ts";
import { ElasticClubs } from "../../services/search/elastic-clubs.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { SearchIndex } from "../../lib/search/index.ts";
import type { SearchQuery } from "../../lib/search/index.ts";
import { ServiceBroker } from "moleculer";
import { startElasticsearch } from "../support/servers/elasticsearch.ts";
import { eventually } from "../support/eventually.ts";
import { describeWith, type Server } from "../support/servers/index.ts";
import { realClubs } from "../support/search-documents.ts";
import { World } from "../support/neighbours.ts";

const documents = realClubs();
const world = new World();
const clubs = documents.map(({ id, fields, category, tags, popularity, createdAt }) => {
  const { name = "", summary = "" } = fields;
  return world.club(name, { id, summary, category, tags, createdAt, memberCount: popularity });
});
const embedded = new SearchIndex({
  fields: { name: 5, tags: 3, summary: 2, category: 1, description: 1 },
  nameField: "name",
});
for (const { fields, ...document } of documents)
  embedded.put({ ...document, fields: { ...fields, category: document.category, description: "" } });

/** 200 queries: whole names, parts, pinyin, initials, words, typos, of every third to tenth club, and some by hand. */
const queries = [
  ..."社团 棋 读书 文学社 志愿 篮球 音乐 舞蹈 weiqi dushu zyz harvard robotics debat harvrad 毒书 兰球 动漫 心理 xyzzy".split(
    " ",
  ),
  "du shu",
  "women in",
  "law society",
  "环保 音乐",
  "student asian",
  "读书she",
  "志 愿",
  "orchestra club",
  ...Array.from({ length: 172 }, (_, i) => {
    const name = clubs[(i * 37) % clubs.length]?.name ?? "";
    const word = name.split(" ").at(-1) ?? "";
    return (
      [name, name.slice(0, 2), word, word.slice(0, 3), `${word.slice(0, 2)}${word.slice(3)}`][i % 5] || name
    );
  }),
];
async function* pages(of: ClubRecord[]): AsyncGenerator<ClubRecord[]> {
  for (let i = 0; i < of.length; i += 100) yield of.slice(i, i + 100);
}
const ask = (q: string, more: Partial<SearchQuery> = {}): SearchQuery => ({
  q,
  sort: "relevance",
  limit: 10,
  ...more,
});
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

describeWith(["elasticsearch"], "clubs on Elasticsearch", () => {
  const broker = new ServiceBroker({ logger: false });
  let server: Server;
  let elastic: Elastic;
  let lost = 0;
  let index: ElasticClubs;
  beforeAll(async () => {
    server = await startElasticsearch();
    await broker.start();
    elastic = await startElastic(broker, server.url);
    index = new ElasticClubs(elastic, "club-alliance", () => lost++);
    // A server that has just started may take longer than a request is waited for.
    await eventually(
      () =>
        index
          .rebuild(() => pages(clubs))
          .then(
            () => true,
            () => undefined,
          ),
      90_000,
    );
  }, 150_000);
  afterAll(async () => {
    await elastic?.close();
    await broker.stop();
    await server?.stop();
  });

  test("200 queries answer as the embedded index does", async () => {
    let [sets, orders] = [0, 0];
    for (const [i, q] of queries.entries()) {
      const asked = ask(q, i % 7 === 0 ? { sort: "popular" } : {});
      const [a, b] = [embedded.search(asked), await index.search(asked)];
      const [x, y] = [a, b].map(({ items }) => items.map(({ id }) => id)) as [string[], string[]];
      sets += Number(same(x.toSorted(), y.toSorted()));
      orders += Number(same(x, y));
      expect([q, b.total, b.facets]).toEqual([q, a.total, a.facets]);
      for (const { id, highlights } of b.items) {
        const own = a.items.find((item) => item.id === id);
        if (own) expect(highlights).toEqual(own.highlights);
      }
    }
    process.stderr.write(`equal top 10 of ${queries.length}: sets ${sets}, order ${orders}\n`);
    // Floors below what was measured (190 and 167): docs/search.md says what differs.
    expect(queries).toHaveLength(200);
    expect(sets).toBeGreaterThanOrEqual(185);
    expect(orders).toBeGreaterThanOrEqual(160);
  }, 60_000);

  test("pages: nothing twice, nothing left out", async () => {
    const seen: string[] = [];
    let after: SearchQuery["after"];
    for (let page = 0; page < 50; page++) {
      const { items, next, total } = await index.search(ask("社", { limit: 25, after }));
      seen.push(...items.map(({ id }) => id));
      if (!next) {
        expect(new Set(seen).size).toBe(total);
        break;
      }
      after = next;
    }
    expect(seen.length).toBe(new Set(seen).size);
  });

  test("an older message never overwrites a newer one, nor brings back what is gone", async () => {
    const club = world.club("Beekeepers");
    const renamed = world.change(club.id, { name: "Apiarists" });
    await index.apply(club.id, renamed);
    await index.apply(club.id, club);
    expect((await index.search(ask("apiarists"))).total).toBe(1);
    await index.apply(club.id, world.change(club.id, { status: "deleted" }));
    await index.apply(club.id, renamed);
    expect((await index.search(ask("apiarists"))).total).toBe(0);
  });

  test("while it is built anew the old one answers and changes are in both; half-built ones go", async () => {
    const fresh = world.club("Falconers");
    const failing = index.rebuild(async function* () {
      yield clubs.slice(0, 10);
      throw new Error("clubs is away");
    });
    await expect(failing).rejects.toThrow("clubs is away");
    const building = index.rebuild(async function* () {
      yield* pages(clubs);
      await index.apply(fresh.id, fresh);
      expect((await index.search(ask("falconers"))).total).toBe(1);
    });
    expect(await building).toBe(clubs.length + 1);
    expect((await index.search(ask("falconers"))).total).toBe(1);
    const left = await elastic.call((client) => client.indices.get({ index: "club-alliance-clubs-*" }));
    expect(Object.keys(left)).toHaveLength(1);
  }, 30_000);

  test("two nodes build at once", async () => {
    const other = new ElasticClubs(elastic, "club-alliance", () => lost++);
    const counts = await Promise.allSettled([index, other].map((each) => each.rebuild(() => pages(clubs))));
    expect(counts.some(({ status }) => status === "fulfilled")).toBe(true);
    expect((await other.search(ask("读书"))).total).toBeGreaterThan(0);
  }, 30_000);

  test("killed: nobody waits; back with its data; an index that is lost is told and not made by a write", async () => {
    await server.kill();
    await expect(index.search(ask("读书"))).rejects.toMatchObject({ type: "UNAVAILABLE" });
    await server.restart();
    let total = 0;
    for (let i = 0; i < 100 && total === 0; i++) {
      total = await index.search(ask("读书")).then(
        (found) => found.total,
        () => 0,
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(total).toBeGreaterThan(0);
    const indices = await elastic.call((client) => client.indices.get({ index: "club-alliance-clubs-*" }));
    for (const name of Object.keys(indices))
      await elastic.call((client) => client.indices.delete({ index: name }));
    const club = clubs[0] as ClubRecord;
    await expect(index.apply(club.id, club)).rejects.toMatchObject({ type: "UNAVAILABLE" });
    expect(lost).toBeGreaterThan(0);
    expect(await index.exists()).toBe(false);
    // A server that has just begun may take longer than a caller waits.
    const built = await eventually(() => index.rebuild(() => pages(clubs)).catch(() => undefined), 30_000);
    expect(built).toBe(clubs.length);
  }, 120_000);
});
