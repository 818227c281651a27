import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../lib/ids.ts";
import { ClubIndex } from "../../services/search/club-index.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { eventually, patient } from "../support/eventually.ts";
import { startNeighbourhood, World } from "../support/neighbours.ts";
import type { Neighbourhood } from "../support/neighbours.ts";

interface Found {
  items: { id: string; score: number; highlights: Record<string, string> }[];
  facets: { category: { value: string; count: number }[]; tag: { value: string; count: number }[] };
  total: number;
  nextCursor: string | null;
}

const world = new World();
let near: Neighbourhood;

const once = (q: string, more: object = {}): Promise<Found> =>
  near.broker.call<Found, object>("search.clubs", {
    q,
    category: null,
    tag: null,
    sort: "relevance",
    limit: 20,
    cursor: null,
    ...more,
  });
const ask = (q: string, more: object = {}): Promise<Found> => patient(() => once(q, more));
const namesOf = async (q: string, more: object = {}): Promise<string[]> =>
  (await ask(q, more)).items.map(({ id }) => world.clubs.get(id)?.name ?? "?");
const suggestOnce = (q: string) =>
  near.broker.call<{ id: string; name: string }[], object>("search.suggestClubs", { q });
const suggest = async (q: string): Promise<string[]> =>
  (await patient(() => suggestOnce(q))).map(({ name }) => name);
/** Tells search of a club as the relay would. */
const tell = (type: "clubs.updated" | "clubs.statusChanged" | "clubs.deleted", club: ClubRecord) =>
  near.tell("search.onClubChanged", type, {
    aggregate: { type: "club", id: club.id, version: club.version },
  });
const built = (of: Neighbourhood) =>
  eventually(async () => {
    near = of;
    return (await once("x").catch(() => undefined)) && true;
  });

beforeAll(async () => {
  world.club("读书社", { tags: ["阅读", "文学"], category: "culture-sports", memberCount: 40 });
  world.club("围棋协会", { tags: ["棋类"], category: "culture-sports", memberCount: 12 });
  world.club("国际象棋社", { tags: ["棋类"], category: "culture-sports", memberCount: 30 });
  world.club("Robotics Club", {
    tags: ["engineering"],
    summary: "We build robots & <drones>",
    memberCount: 25,
  });
  world.club("Debate Society", { description: "Weekly debates about robotics and law" });
  world.club("Pending Chess", { status: "pending" });
  near = await startNeighbourhood(["search"], { world });
  await built(near);
});
afterAll(() => near.stop());

describe("finding", () => {
  test("Chinese words and single characters", async () => {
    expect(await namesOf("读书")).toEqual(["读书社"]);
    expect(new Set(await namesOf("棋"))).toEqual(new Set(["国际象棋社", "围棋协会"]));
  });

  test("pinyin, initials, typos, another case", async () => {
    expect(await namesOf("weiqi")).toContain("围棋协会");
    expect(await namesOf("dushushe")).toEqual(["读书社"]);
    expect(await namesOf("gjxqs")).toEqual(["国际象棋社"]);
    expect(await namesOf("robtics")).toContain("Robotics Club");
    expect((await namesOf("ROBOTICS"))[0]).toBe("Robotics Club");
  });

  test("by name first, by description too; highlights are escaped but for em", async () => {
    expect(await namesOf("robotics")).toEqual(["Robotics Club", "Debate Society"]);
    const { items } = await ask("robots");
    expect(items[0]?.highlights["summary"]).toBe("We build <em>robots</em> &amp; &lt;drones&gt;");
  });

  test("facets and total count all hits, not the page", async () => {
    const { total, facets, items, nextCursor } = await ask("棋", { limit: 1 });
    expect(items).toHaveLength(1);
    expect(nextCursor).not.toBeNull();
    expect(total).toBe(2);
    expect(facets).toEqual({
      category: [{ value: "culture-sports", count: 2 }],
      tag: [{ value: "棋类", count: 2 }],
    });
  });

  test("within a category and a tag", async () => {
    expect(await namesOf("robotics", { category: "academic" })).toHaveLength(2);
    expect(await namesOf("robotics", { category: "service" })).toEqual([]);
    expect(await namesOf("robotics", { tag: "engineering" })).toEqual(["Robotics Club"]);
  });

  test("in pages, by relevance, popularity and age, each with its own cursor", async () => {
    for (const sort of ["relevance", "popular", "new"]) {
      const first = await ask("棋", { sort, limit: 1 });
      const second = await ask("棋", { sort, limit: 1, cursor: first.nextCursor });
      expect(second.nextCursor).toBeNull();
      expect(new Set([...first.items, ...second.items].map(({ id }) => id)).size).toBe(2);
      const other = sort === "new" ? "popular" : "new";
      await expect(ask("棋", { sort: other, cursor: first.nextCursor })).rejects.toMatchObject({
        type: "INVALID_CURSOR",
      });
    }
    expect(await namesOf("棋", { sort: "popular" })).toEqual(["国际象棋社", "围棋协会"]);
    await expect(ask("棋", { cursor: "x" })).rejects.toMatchObject({ type: "INVALID_CURSOR" });
  });

  test("what is not active is not found", async () => {
    expect(await namesOf("Pending")).toEqual([]);
  });

  test("names while typing", async () => {
    expect(await suggest("读")).toEqual(["读书社"]);
    expect(await suggest("gj")).toEqual(["国际象棋社"]);
    expect(await suggest("rob")).toEqual(["Robotics Club"]);
    expect(await suggest("!")).toEqual([]);
  });
});

describe("changes", () => {
  test("a club that becomes active, changes, is suspended, active again and deleted", async () => {
    const club = world.club("Astronomy", { status: "pending" });
    await tell("clubs.updated", club);
    expect(await namesOf("astronomy")).toEqual([]);
    await tell("clubs.statusChanged", world.change(club.id, { status: "active" }));
    expect(await namesOf("astronomy")).toEqual(["Astronomy"]);
    await tell("clubs.updated", world.change(club.id, { name: "Stargazers" }));
    expect(await namesOf("astronomy")).toEqual([]);
    expect(await namesOf("stargazers")).toEqual(["Stargazers"]);
    await tell("clubs.statusChanged", world.change(club.id, { status: "suspended" }));
    expect(await namesOf("stargazers")).toEqual([]);
    await tell("clubs.statusChanged", world.change(club.id, { status: "active" }));
    expect(await namesOf("stargazers")).toEqual(["Stargazers"]);
    await tell("clubs.deleted", world.change(club.id, { status: "deleted" }));
    expect(await namesOf("stargazers")).toEqual([]);
    expect(await suggest("star")).toEqual([]);
  });

  test("the number of members, which has no version of its own", async () => {
    const popular = () => namesOf("棋", { sort: "popular" });
    const go = [...world.clubs.values()].find(({ name }) => name === "围棋协会") as ClubRecord;
    await tell("clubs.updated", world.change(go.id, { memberCount: 99, version: go.version }));
    expect(await popular()).toEqual(["围棋协会", "国际象棋社"]);
    const left = world.change(go.id, { memberCount: 1, version: go.version });
    await tell("clubs.updated", left);
    expect(await popular()).toEqual(["国际象棋社", "围棋协会"]);
  });

  test("messages out of order, late and again", async () => {
    const made = world.club("Beekeepers");
    const renamed = world.change(made.id, { name: "Apiarists" });
    await tell("clubs.updated", renamed);
    await tell("clubs.updated", made);
    expect(await namesOf("apiarists")).toEqual(["Apiarists"]);
    const deleted = world.change(made.id, { status: "deleted" });
    await tell("clubs.deleted", deleted);
    await tell("clubs.updated", renamed);
    await tell("clubs.deleted", deleted);
    expect(await namesOf("apiarists")).toEqual([]);
  });

  test("what was read before a change and answers after it changes nothing", async () => {
    const made = world.club("Cyclists");
    await tell("clubs.updated", made);
    let release = (): void => undefined;
    world.beforeRecords = () => new Promise((resolve) => (release = resolve));
    const slow = tell("clubs.updated", made);
    await sleep(20);
    world.beforeRecords = async () => undefined;
    await tell("clubs.deleted", world.change(made.id, { status: "deleted" }));
    release();
    await slow;
    expect(await namesOf("cyclists")).toEqual([]);
  });

  test("a club that is gone altogether", async () => {
    const made = world.club("Mayflies");
    await tell("clubs.updated", made);
    expect(await namesOf("mayflies")).toEqual(["Mayflies"]);
    world.clubs.delete(made.id);
    await tell("clubs.deleted", made);
    expect(await namesOf("mayflies")).toEqual([]);
  });

  test("a copy of the clubs that is behind the message is asked again", async () => {
    const made = world.club("Divers");
    await expect(tell("clubs.updated", { ...made, version: 2 })).rejects.toMatchObject({
      type: "UNAVAILABLE",
    });
    expect(await namesOf("divers")).toEqual([]);
    await tell("clubs.updated", world.change(made.id, { summary: "Under water" }));
    expect(await namesOf("divers")).toEqual(["Divers"]);
  });
});

describe("building", () => {
  const rebuild = () => near.broker.call<{ clubs: number }>("search.rebuild");
  const active = (): number => [...world.clubs.values()].filter(({ status }) => status === "active").length;

  test("anew: lost messages are made good, in several pages", async () => {
    const lost = world.club("Falconers");
    for (let i = 0; i < 1100; i++) world.club(`Filler ${i}`);
    expect(await namesOf("falconers")).toEqual([]);
    const [one, two] = await Promise.all([rebuild(), rebuild()]);
    expect(one.clubs).toBe(active());
    expect(two).toEqual(one);
    expect(await namesOf("falconers")).toEqual(["Falconers"]);
    expect((await ask("filler")).total).toBe(1100);
    // Silently gone.
    world.change(lost.id, { status: "deleted" });
    await rebuild();
    expect(await namesOf("falconers")).toEqual([]);
  });

  test("while it is under way the old index answers, and changes are in both", async () => {
    const gone = [...world.clubs.values()].find(({ name }) => name === "Filler 7") as ClubRecord;
    const building = rebuild();
    await tell("clubs.deleted", world.change(gone.id, { status: "deleted" }));
    const fresh = world.club("Gardeners");
    await tell("clubs.statusChanged", fresh);
    expect(await namesOf("gardeners")).toEqual(["Gardeners"]);
    await building;
    expect(await namesOf("gardeners")).toEqual(["Gardeners"]);
    expect(await ask("filler")).toMatchObject({ total: 1099 });
  });

  test("while clubs is away it fails, and the old index goes on", async () => {
    world.away.add("clubs");
    try {
      await expect(rebuild()).rejects.toThrow();
      expect(await namesOf("gardeners")).toEqual(["Gardeners"]);
    } finally {
      world.away.delete("clubs");
    }
    expect((await rebuild()).clubs).toBe(active());
  });

  test("a node that starts without clubs answers 503, and searches as soon as clubs is there", async () => {
    const before = near;
    world.away.add("clubs");
    const other = await startNeighbourhood(["search"], { world });
    try {
      near = other;
      await expect(once("gardeners")).rejects.toMatchObject({ type: "UNAVAILABLE", code: 503 });
      await expect(suggestOnce("gar")).rejects.toMatchObject({ type: "UNAVAILABLE" });
      world.away.delete("clubs");
      await built(other);
      expect(await namesOf("gardeners")).toEqual(["Gardeners"]);
    } finally {
      world.away.clear();
      near = before;
      await other.stop();
    }
  });

  test("a page that was read before a club was deleted does not bring it back", async () => {
    const index = new ClubIndex();
    const club = { ...world.club("Herons"), id: newId() };
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const done = index.rebuild(async function* () {
      await held;
      yield [club];
    });
    index.apply(club.id, { ...club, status: "deleted", revision: 2 });
    release();
    expect(await done).toBe(0);
    expect(index.current.size).toBe(0);
  });

  test("building lets others have their turn", async () => {
    const index = new ClubIndex();
    const clubs = Array.from({ length: 500 }, (_, i) => ({
      ...world.club("-", { status: "pending" }),
      name: `天文爱好者协会${i}`,
      description: "观测星空，".repeat(400),
    }));
    let turns = 0;
    const ticking = setInterval(() => turns++, 0);
    await index.rebuild(async function* () {
      yield clubs;
    });
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(3);
  });
});
