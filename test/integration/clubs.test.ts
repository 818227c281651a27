/** Clubs: reading, lists, changes, the life of a club, search. */
import { newId } from "../../lib/ids.ts";
import type { Answer } from "../../lib/declare.ts";
import type { Club } from "../../services/clubs/clubs.contract.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";

type ClubList = Answer<"clubs.list">;

let campus: Campus;
let admin: string;
let reviewer: string;
let stranger: string;
beforeAll(async () => {
  campus = await startCampus();
  admin = campus.person("Admin", ["admin"]);
  reviewer = campus.person("Reviewer", ["reviewer"]);
  stranger = campus.person("Stranger");
});
afterAll(async () => campus?.stop());
afterEach(() => campus.world.away.clear());

const setStatus = (id: string, status: string, as = admin) =>
  campus.outcome("PUT", `/clubs/${id}/status`, { as, body: { status, reason: "So it is." } });

/** A club of each status, with its president. */
async function clubIn(status: Club["status"]): Promise<{ id: string; president: string; club: Club }> {
  const president = campus.person("President");
  const { id } = await campus.pending(president);
  if (status === "rejected") await campus.review(id, 1, "rejected", "No.");
  else if (status !== "pending") await campus.review(id, 1);
  if (status === "suspended") await setStatus(id, "suspended");
  if (status === "deleted") await campus.ok("DELETE", `/clubs/${id}`, { as: president });
  return { id, president, club: await campus.get(id, president) };
}

/** Pages through a list until its end. */
async function all(target: string, limit: number, as?: string): Promise<Club[]> {
  const found: Club[] = [];
  let cursor: string | null = null;
  do {
    const page: ClubList = await campus.ok<ClubList>(
      "GET",
      `${target}&limit=${limit}${cursor === null ? "" : `&cursor=${cursor}`}`,
      { as },
    );
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

describe("categories", () => {
  test("are the six, by language, with their active clubs", async () => {
    await campus.club(campus.person(), { category: "mutual-aid" });
    await campus.pending(campus.person(), { category: "mutual-aid" });
    const { body } = await campus.call<Answer<"clubs.categories">>("GET", "/categories", {
      headers: { "accept-language": "zh" },
    });
    expect(body.map(({ slug, name }) => [slug, name])).toEqual([
      ["political", "思想政治类"],
      ["academic", "学术科技类"],
      ["entrepreneurship", "创新创业类"],
      ["culture-sports", "文化体育类"],
      ["service", "志愿公益类"],
      ["mutual-aid", "自律互助类"],
    ]);
    expect(body.at(-1)?.clubs).toBe(1);
    const english = await campus.ok<Answer<"clubs.categories">>("GET", "/categories");
    expect(english[1]?.name).toBe("Science and technology");
  });
});

describe("a club is seen", () => {
  const people = ["anonymous", "stranger", "president", "reviewer", "admin"] as const;
  test.each([
    ["active", [200, 200, 200, 200, 200]],
    ["pending", [404, 404, 200, 200, 200]],
    ["rejected", [404, 404, 200, 200, 200]],
    ["suspended", [404, 404, 200, 200, 200]],
    ["deleted", [404, 404, 200, 404, 404]],
  ] as const)("%s", async (status, expected) => {
    const { id, president, club } = await clubIn(status);
    expect(club.status).toBe(status);
    const who = { anonymous: undefined, stranger, president, reviewer, admin };
    const seen = await Promise.all(
      people.map(async (each) => (await campus.call("GET", `/clubs/${id}`, { as: who[each] })).status),
    );
    expect(seen).toEqual(expected);
    // Of the members, too: whoever is none of its people sees their number alone.
    const listed = await campus.call<object>("GET", `/clubs/${id}/members`, { as: reviewer });
    if (expected[3] === 200) expect(listed.body).toEqual({ items: [], nextCursor: null, memberCount: 1 });
    else expect(listed.status).toBe(404);
  });

  test("with what is the caller's own, for callers alone", async () => {
    const { id, president } = await clubIn("active");
    const plain = await campus.ok("GET", `/clubs/${id}`);
    expect(plain).not.toHaveProperty("myRole");
    expect(plain).not.toHaveProperty("isFavorite");
    expect(await campus.get(id, president)).toMatchObject({ myRole: "president", isFavorite: false });
    await campus.ok("PUT", `/clubs/${id}/favorite`, { as: stranger });
    expect(await campus.get(id, stranger)).toMatchObject({
      myRole: null,
      isFavorite: true,
      favoriteCount: 1,
    });
  });

  test("by no id that is malformed or unknown", async () => {
    expect(await campus.outcome("GET", "/clubs/7")).toBe("422 VALIDATION_FAILED id=INVALID_FORMAT");
    expect(await campus.outcome("GET", `/clubs/${newId()}`)).toBe("404 NOT_FOUND");
  });

  test("as it is after each change, whoever read it before", async () => {
    const { id, president } = await clubIn("active");
    for (let i = 1; i <= 5; i++) {
      await campus.ok("GET", `/clubs/${id}`);
      await campus.ok("PATCH", `/clubs/${id}`, { as: president, body: { summary: `Summary ${i}` } });
      expect((await campus.ok("GET", `/clubs/${id}`)).summary).toBe(`Summary ${i}`);
    }
    // Also when a slow reader has put back what it read before the change.
    const stale = await campus.ok("GET", `/clubs/${id}`);
    const old: unknown = await campus.broker.call("clubs.record", { id });
    await campus.ok("PATCH", `/clubs/${id}`, { as: president, body: { summary: "Newest" } });
    await campus.broker.cacher?.set(`clubs.record:"${id}"`, old);
    expect(await campus.broker.call("clubs.record", { id })).toMatchObject({ summary: stale.summary });
    expect((await campus.ok("GET", `/clubs/${id}`)).summary).toBe("Newest");
  });

  test("with a tag that changes with it", async () => {
    const { id, president } = await clubIn("active");
    const first = await campus.call("GET", `/clubs/${id}`);
    const etag = String(first.headers["etag"]);
    expect(etag).toMatch(/^"2[".]/);
    const same = await campus.call("GET", `/clubs/${id}`, { headers: { "if-none-match": etag } });
    expect(same.status).toBe(304);
    await campus.ok("PATCH", `/clubs/${id}`, { as: president, body: { summary: "Other" } });
    const next = await campus.call("GET", `/clubs/${id}`, { headers: { "if-none-match": etag } });
    expect([next.status, next.body.version]).toEqual([200, 3]);
  });
});

describe("the list of clubs", () => {
  const mark = "listed";
  const ids = new Map<string, string>();
  beforeAll(async () => {
    const names = ["足球社", "Art", "安全协会", "élan", "棋社"];
    for (const [i, name] of names.entries()) {
      const president = campus.person();
      const { id } = await campus.club(president, {
        name,
        tags: [i % 2 === 0 ? "Even" : "Odd", mark],
        category: i < 2 ? "service" : "academic",
      });
      ids.set(name, id);
      for (let n = 0; n < i % 3; n++) await campus.join(id, campus.person());
    }
    await campus.pending(campus.person(), { tags: [mark] });
  });

  test.each([1, 2, 3, 100])("by name, %i at a time", async (limit) => {
    const clubs = await all(`/clubs?tag=${mark}&sort=name`, limit);
    expect(clubs.map(({ name }) => name)).toEqual(["安全协会", "Art", "élan", "棋社", "足球社"]);
  });

  test.each([1, 2, 100])("by members, %i at a time", async (limit) => {
    const clubs = await all(`/clubs?tag=${mark}&sort=popular`, limit);
    expect(clubs.map(({ memberCount }) => memberCount)).toEqual([3, 2, 2, 1, 1]);
    expect(new Set(clubs.map(({ id }) => id)).size).toBe(5);
  });

  test("newest first, without repeats or gaps while others come", async () => {
    const newest = ["棋社", "élan", "安全协会", "Art", "足球社"];
    const first = await campus.ok<ClubList>("GET", `/clubs?tag=${mark}&limit=2`);
    const { id } = await campus.club(campus.person(), { tags: [mark] });
    const rest = await campus.ok<ClubList>("GET", `/clubs?tag=${mark}&limit=10&cursor=${first.nextCursor}`);
    expect([...first.items, ...rest.items].map(({ name }) => name)).toEqual(newest);
    expect(rest.nextCursor).toBeNull();
    await campus.ok("DELETE", `/clubs/${id}`, { as: admin });
  });

  test("by category and tag, whatever its case", async () => {
    const names = async (query: string) =>
      (await campus.ok<ClubList>("GET", `/clubs?sort=name&${query}`)).items.map(({ name }) => name);
    expect(await names("tag=EVEN")).toEqual(["安全协会", "棋社", "足球社"]);
    expect(await names(`tag=${mark}&category=service`)).toEqual(["Art", "足球社"]);
    expect(await names("tag=even&category=service")).toEqual(["足球社"]);
    expect(await names("category=no-such")).toEqual([]);
  });

  test("of one's own, in any status", async () => {
    const president = campus.person();
    const made = [];
    for (const status of ["pending", "active", "rejected", "suspended", "deleted"] as const) {
      const { id } = await campus.pending(president);
      made.unshift([id, status]);
      await campus.db.primary.run("UPDATE clubs SET status = :status WHERE id = :id", { id, status });
    }
    const own = await all("/clubs?mine=true", 2, president);
    expect(own.map(({ id, status }) => [id, status])).toEqual(made);
    expect(own.every(({ myRole }) => myRole === "president")).toBe(true);
    expect(await campus.outcome("GET", "/clubs?mine=true")).toBe("401 UNAUTHENTICATED");
    expect(await all("/clubs?mine=true", 2, stranger)).toEqual([]);
  });

  test("carries what is the caller's own, for the whole page", async () => {
    const member = campus.person();
    await campus.join(ids.get("Art") as string, member);
    await campus.ok("PUT", `/clubs/${ids.get("棋社")}/favorite`, { as: member });
    const clubs = await all(`/clubs?tag=${mark}`, 100, member);
    const own = Object.fromEntries(clubs.map(({ name, myRole, isFavorite }) => [name, [myRole, isFavorite]]));
    expect(own).toMatchObject({ Art: ["member", false], 棋社: [null, true], élan: [null, false] });
  });

  test.each([
    ["cursor=nonsense", "422 INVALID_CURSOR"],
    ["limit=0", "422 VALIDATION_FAILED limit=TOO_SMALL"],
    ["sort=best", "422 VALIDATION_FAILED sort=NOT_ALLOWED"],
    ["color=red", "422 VALIDATION_FAILED color=UNKNOWN_FIELD"],
  ])("refuses %s", async (query, outcome) => {
    expect(await campus.outcome("GET", `/clubs?${query}`)).toBe(outcome);
  });

  test("refuses the cursor of another order", async () => {
    const { nextCursor } = await campus.ok<ClubList>("GET", "/clubs?sort=new&limit=1");
    expect(await campus.outcome("GET", `/clubs?sort=popular&cursor=${nextCursor}`)).toBe(
      "422 INVALID_CURSOR",
    );
  });
});

describe("PATCH", () => {
  test("changes what is given, counts versions and tells it once", async () => {
    const { id, president, club } = await clubIn("active");
    const body = { summary: "New.", tags: ["a", "b"], category: "service", name: "Renamed 改" };
    const changed = await campus.ok("PATCH", `/clubs/${id}`, { as: president, body });
    expect(changed).toMatchObject({ ...body, description: club.description, version: club.version + 1 });
    expect(changed.updatedAt > club.updatedAt).toBe(true);
    const told = await campus.told(id, "clubs.updated");
    expect(told.at(-1)).toMatchObject({
      aggregate: { version: changed.version },
      data: { name: body.name, status: "active" },
    });
    // What changes nothing is no change.
    expect(await campus.ok("PATCH", `/clubs/${id}`, { as: president, body })).toEqual(changed);
    expect(await campus.ok("PATCH", `/clubs/${id}`, { as: president, body: {} })).toEqual(changed);
    expect(await campus.told(id, "clubs.updated")).toHaveLength(told.length);
    const found = await campus.ok<ClubList>("GET", "/clubs?tag=b");
    expect(found.items.map((each) => each.id)).toEqual([id]);
  });

  test("is refused in the order of the contract", async () => {
    const { id, president } = await clubIn("suspended");
    const other = await campus.club(campus.person(), { name: "Taken" });
    const member = campus.person();
    await campus.join(other.id, member);
    const patch = (as: string | undefined, body: object, ifMatch?: number, club = id) =>
      campus.outcome("PATCH", `/clubs/${club}`, { as, body, ifMatch });
    expect(await patch(undefined, { summary: "x" })).toBe("401 UNAUTHENTICATED");
    expect(await patch(stranger, { summary: "" })).toBe("404 NOT_FOUND");
    expect(await patch(reviewer, { summary: "" })).toBe("403 FORBIDDEN");
    expect(await patch(stranger, { summary: "" }, 1, other.id)).toBe("403 FORBIDDEN");
    expect(await patch(member, { summary: "" }, 1, other.id)).toBe("403 FORBIDDEN");
    expect(await patch(admin, { category: "sorcery" }, 1)).toBe(
      "422 VALIDATION_FAILED category=INVALID_REFERENCE",
    );
    expect(await patch(admin, { name: "Taken" }, 1)).toBe("412 PRECONDITION_FAILED");
    expect(await patch(admin, { name: "Taken" })).toBe("409 CLUB_NOT_ACTIVE");
    expect(await patch(president, { name: "TAKEN" }, 1)).toBe("412 PRECONDITION_FAILED");
    expect(await patch(president, { name: "TAKEN" })).toBe("409 CLUB_NAME_TAKEN");
    expect(await patch(admin, { summary: "By an administrator." }, undefined, other.id)).toBe("200");
  });

  test.each(["pending", "suspended", "rejected"] as const)(
    "by its president in a club that is %s",
    async (status) => {
      const { id, president, club } = await clubIn(status);
      const body = { summary: "While it waits." };
      expect(
        await campus.outcome("PATCH", `/clubs/${id}`, { as: president, ifMatch: club.version, body }),
      ).toBe("200");
      expect((await campus.told(id, "clubs.updated")).at(-1)).toMatchObject({
        aggregate: { version: club.version + 1 },
        data: { status },
      });
      expect(await campus.outcome("PATCH", `/clubs/${id}`, { as: admin, body })).toBe("409 CLUB_NOT_ACTIVE");
    },
  );

  test("not in a dissolved one, whose name a rejected one does not take back either", async () => {
    const { id, president } = await clubIn("deleted");
    expect(await campus.outcome("PATCH", `/clubs/${id}`, { as: president, body: { summary: "x" } })).toBe(
      "409 CLUB_NOT_ACTIVE",
    );
    const rejected = await clubIn("rejected");
    await campus.ok("PATCH", `/clubs/${rejected.id}`, { as: rejected.president, body: { name: "Wanted" } });
    expect((await campus.club(campus.person(), { name: "wanted" })).name).toBe("wanted");
  });

  test("of two on one version one wins", async () => {
    const { id, president, club } = await clubIn("active");
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        campus.outcome("PATCH", `/clubs/${id}`, {
          as: president,
          ifMatch: club.version,
          body: { summary: `Try ${i}` },
        }),
      ),
    );
    expect(outcomes.toSorted()).toEqual([
      "200",
      ...Array.from({ length: 4 }, () => "412 PRECONDITION_FAILED"),
    ]);
    expect((await campus.get(id, president)).version).toBe(club.version + 1);
  });
});

describe("DELETE", () => {
  test("keeps the club for its people and tells it", async () => {
    const { id, president } = await clubIn("active");
    const member = campus.person();
    await campus.join(id, member);
    const remove = (as?: string, ifMatch?: number) =>
      campus.outcome("DELETE", `/clubs/${id}`, { as, ifMatch });
    expect(await remove()).toBe("401 UNAUTHENTICATED");
    expect(await remove(stranger)).toBe("403 FORBIDDEN");
    expect(await remove(member)).toBe("403 FORBIDDEN");
    await campus.ok("POST", `/clubs/${id}/transfer`, { as: president, body: { userId: member } });
    expect(await remove(president, 1)).toBe("412 PRECONDITION_FAILED");
    expect(await remove(president, 2)).toBe("204");
    expect(await campus.told(id, "clubs.deleted")).toMatchObject([
      { aggregate: { version: 3 }, actor: president, data: { from: "active" } },
    ]);
    // Again: nothing happens.
    expect(await remove(president)).toBe("204");
    expect(await campus.told(id, "clubs.deleted")).toHaveLength(1);
    expect(await campus.get(id, member)).toMatchObject({ status: "deleted", version: 3, myRole: "member" });
    expect(await campus.outcome("POST", `/clubs/${id}/transfer/accept`, { as: member })).toBe(
      "404 NOT_FOUND",
    );
    expect((await campus.ok<ClubList>("GET", `/clubs?limit=100`)).items.map((club) => club.id)).not.toContain(
      id,
    );
    expect(await campus.outcome("DELETE", `/clubs/${id}`, { as: admin })).toBe("404 NOT_FOUND");
  });

  test.each(["pending", "suspended", "rejected"] as const)("in a club that is %s", async (status) => {
    const own = await clubIn(status);
    expect(await campus.outcome("DELETE", `/clubs/${own.id}`, { as: own.president })).toBe("204");
    const other = await clubIn(status);
    expect(await campus.outcome("DELETE", `/clubs/${other.id}`, { as: admin })).toBe("204");
    expect(await campus.told(other.id, "clubs.deleted")).toMatchObject([{ data: { from: status } }]);
  });
});

describe("status", () => {
  test("is suspended and lifted by administrators, with a reason that is told", async () => {
    const { id, president } = await clubIn("active");
    expect(await setStatus(id, "suspended", president)).toBe("403 FORBIDDEN");
    expect(
      await campus.outcome("PUT", `/clubs/${id}/status`, { as: admin, body: { status: "suspended" } }),
    ).toBe("422 VALIDATION_FAILED reason=REQUIRED");
    expect(await setStatus(id, "suspended")).toBe("200");
    expect(await setStatus(id, "suspended")).toBe("200");
    expect(await campus.get(id, president)).toMatchObject({ status: "suspended", version: 3 });
    expect(await setStatus(id, "active")).toBe("200");
    const changes = await campus.told(id, "clubs.statusChanged");
    expect(changes.map(({ data: { from, to, reason } }) => [from, to, reason])).toEqual([
      ["pending", "active", null],
      ["active", "suspended", "So it is."],
      ["suspended", "active", "So it is."],
    ]);
    expect(changes[1]?.data).toMatchObject({ by: admin });
  });

  test.each([
    ["pending", "409 CLUB_NOT_ACTIVE"],
    ["rejected", "409 CLUB_NOT_ACTIVE"],
    ["deleted", "404 NOT_FOUND"],
  ] as const)("of a club that is %s is not set", async (status, outcome) => {
    const { id } = await clubIn(status);
    expect(await setStatus(id, "active")).toBe(outcome);
  });

  test("of an unknown club, or with an old version", async () => {
    expect(await setStatus(newId(), "active")).toBe("404 NOT_FOUND");
    expect(await campus.outcome("PUT", "/clubs/7/status", { as: stranger })).toBe("403 FORBIDDEN");
    const { id } = await clubIn("active");
    const body = { status: "suspended", reason: "x" };
    expect(await campus.outcome("PUT", `/clubs/${id}/status`, { as: admin, ifMatch: 1, body })).toBe(
      "412 PRECONDITION_FAILED",
    );
  });
});

describe("a review", () => {
  test("approves or rejects once, on the text that was seen", async () => {
    const { id, president } = await clubIn("pending");
    await campus.ok("PATCH", `/clubs/${id}`, { as: president, body: { summary: "Changed." } });
    await campus.review(id, 1);
    expect((await campus.get(id, president)).status).toBe("pending");
    expect(await campus.told(id, "clubs.reviewOutdated")).toMatchObject([{ data: { clubId: id } }]);
    const by = await campus.review(id, 2, "rejected", "Not yet.");
    expect(await campus.get(id, president)).toMatchObject({ status: "rejected", version: 3 });
    expect(await campus.told(id, "clubs.statusChanged")).toMatchObject([
      { data: { from: "pending", to: "rejected", reason: "Not yet.", by } },
    ]);
    await campus.review(id, 3);
    expect((await campus.get(id, president)).status).toBe("rejected");
  });

  test("that comes twice counts once, and of an unknown club not at all", async () => {
    const { id, president } = await clubIn("pending");
    const data = {
      clubId: id,
      clubName: "-",
      clubVersion: 1,
      filedBy: president,
      comment: null,
      by: reviewer,
    };
    const aggregate = { type: "review", id: newId(), version: 2 };
    const message = { id: newId(), type: "reviews.decided", at: 1, aggregate, actor: null, requestId: null };
    for (let i = 0; i < 2; i++)
      await campus.broker.call("clubs.onReviewDecided", {
        ...message,
        data: { ...data, decision: "approved" },
      });
    expect(await campus.told(id, "clubs.statusChanged")).toHaveLength(1);
    await campus.review(newId(), 1);
  });
});

describe("search", () => {
  test("fills hits from the database, in their order, with what is the caller's own", async () => {
    const first = await clubIn("active");
    const second = await clubIn("active");
    const gone = await clubIn("deleted");
    const hit = (id: string, score: number) => ({ id, score, highlights: { name: "<em>C</em>" } });
    campus.world.hits = {
      items: [hit(second.id, 3), hit(gone.id, 2), hit(newId(), 1.5), hit(first.id, 1)],
      facets: { category: [{ value: "academic", count: 4 }], tag: [] },
      total: 4,
      nextCursor: "next",
    };
    const answer = await campus.ok<Answer<"clubs.search">>(
      "GET",
      "/clubs/search?q=%20club%20&tag=x&sort=popular&limit=4",
      { as: first.president },
    );
    expect(campus.world.asked).toEqual({
      q: "club",
      category: null,
      tag: "x",
      sort: "popular",
      limit: 4,
      cursor: null,
    });
    expect(answer).toMatchObject({ facets: campus.world.hits.facets, total: 4, nextCursor: "next" });
    expect(answer.items.map(({ club, score }) => [club.id, score, club.myRole])).toEqual([
      [second.id, 3, null],
      [first.id, 1, "president"],
    ]);
    const suggested = await campus.ok("GET", "/clubs/suggest?q=cl");
    expect(suggested).toEqual([
      { id: second.id, name: second.club.name },
      { id: first.id, name: first.club.name },
    ]);
  });

  test("is 503 when it is away, and refuses an empty question", async () => {
    campus.world.away.add("search");
    expect(await campus.outcome("GET", "/clubs/search?q=x")).toBe("503 UNAVAILABLE");
    expect(await campus.outcome("GET", "/clubs/suggest?q=x")).toBe("503 UNAVAILABLE");
    expect(await campus.outcome("GET", "/clubs/search?q=%20")).toBe("422 VALIDATION_FAILED q=TOO_SHORT");
    expect(await campus.outcome("GET", "/clubs/search")).toBe("422 VALIDATION_FAILED q=REQUIRED");
  });
});

test("services get clubs in batches and active ones in pages", async () => {
  const made = await Promise.all([clubIn("active"), clubIn("active"), clubIn("pending"), clubIn("deleted")]);
  const ids = made.map(({ id }) => id);
  const records = await campus.broker.call<Answer<"clubs.records">, object>("clubs.records", {
    ids: [...ids, newId()],
  });
  expect(records.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  expect(records.every((record) => made.some(({ president }) => president === record.createdBy))).toBe(true);
  const paged: string[] = [];
  for (let after: string | null = null; ;) {
    const page: Answer<"clubs.page"> = await campus.broker.call("clubs.page", { after, limit: 3 });
    paged.push(...page.map(({ id }) => id));
    if (page.length < 3) break;
    after = page.at(-1)?.id ?? null;
  }
  expect(paged).toEqual(paged.toSorted());
  expect(paged).toEqual(expect.arrayContaining(ids.slice(0, 2)));
  expect(paged).not.toEqual(expect.arrayContaining([ids[2]]));
});
