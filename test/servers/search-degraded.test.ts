/** The federation while Elasticsearch is away: clubs are found by name, and the index catches up. */
import type { Answer } from "../../lib/declare.ts";
import { eventually, type Federation, startFederation } from "../support/federation.ts";
import { startElasticsearch } from "../support/servers/elasticsearch.ts";
import { describeWith, type Server } from "../support/servers/index.ts";

type Found = Answer<"clubs.search">;

describeWith(["elasticsearch"], "search while Elasticsearch is away", () => {
  let server: Server;
  let federation: Federation;
  beforeAll(async () => {
    server = await startElasticsearch();
    federation = await startFederation({ env: { ELASTICSEARCH_URL: server.url } });
  }, 150_000);
  afterAll(async () => {
    await federation?.stop();
    await server?.stop();
  });
  const find = (q: string) => federation.ok<Found>("GET", `/clubs/search?q=${encodeURIComponent(q)}`);
  const finds = (q: string, id: string) =>
    eventually(async () => {
      const { items, degraded } = await find(q);
      return (!degraded && items.some(({ club }) => club.id === id)) || undefined;
    }, 40_000);

  test("frozen, then running again: by name meanwhile, and what changed is found afterwards", async () => {
    const president = await federation.register();
    const reviewer = await federation.register();
    const { token } = await federation.admin();
    const roles = { token, body: { roles: ["reviewer"] } };
    await federation.ok("PUT", `/users/${reviewer.id}/roles`, roles);
    const id = await federation.foundClub(president, reviewer, { name: "天文观测社" });
    await finds("tianwen", id);
    expect((await find("天文")).degraded).toBeUndefined();
    server.pause();
    try {
      expect(await find("观测")).toMatchObject({ degraded: true, total: 1, items: [{ club: { id } }] });
      // No pinyin in SQL.
      expect(await find("tianwen")).toMatchObject({ degraded: true, total: 0 });
      const body = { name: "地质考察社" };
      await federation.ok("PATCH", `/clubs/${id}`, { token: president.token, body });
      expect(await find("地质")).toMatchObject({ degraded: true, total: 1 });
    } finally {
      server.resume();
    }
    await finds("dizhi", id);
  }, 90_000);
});
