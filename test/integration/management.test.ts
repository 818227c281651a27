/** People, clubs and categories on the admin gateway. */
import { randomBytes } from "node:crypto";
import type { ServiceSchema } from "moleculer";
import type { Answer } from "../../lib/declare.ts";
import { startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";
import type { Caller, Person } from "../support/federation.ts";

type User = Answer<"management.user">;
type Club = Answer<"management.setClubStatus">;
interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

const hear = () => undefined;
/** Those that take what is told of people and clubs, and who says which words are filtered. */
const OTHERS: ServiceSchema[] = [
  { name: "notifications", actions: { onMessage: hear } },
  { name: "search", actions: { onClubChanged: hear } },
  { name: "posts", actions: { onClubChanged: hear } },
  { name: "activities", actions: { onClubDeleted: hear } },
  { name: "moderation", actions: { wordsVersion: () => ({ version: "" }) } },
];

let office: Office;
let admin: Administrator;
let person: Person;
let president: Person;
let reviewer: Caller;
let club: string;
beforeAll(async () => {
  office = await startOffice({ domains: ["clubs", "applications"], services: OTHERS });
  admin = await office.admin();
  [president, reviewer] = [await office.public.register(), await office.public.register()];
  await office.give(reviewer.id, ["reviewer"]);
  club = await office.public.foundClub(president, reviewer);
  person = president;
}, 120_000);
afterAll(() => office.stop());

type Options = Parameters<Office["call"]>[2];
const by = (options: Options = {}): Options => ({ token: admin.token, ...options });
const get = <T>(target: string): Promise<T> => office.ok<T>("GET", target, by());
const put = (target: string, body: unknown, headers: Record<string, string> = {}, caller = admin) =>
  office.outcome("PUT", target, { token: caller.token, body, headers });
const reason = "Since it must be.";

async function publicly(method: string, target: string, caller: Caller, body?: unknown): Promise<string> {
  const answer = await office.public.call<{ code?: string } | undefined>(method, target, {
    token: caller.token,
    body,
  });
  return answer.status < 400 ? String(answer.status) : `${answer.status} ${answer.body?.code}`;
}

describe("people", () => {
  beforeEach(async () => {
    person = await office.public.register();
  });

  test("are found by what they are called, by role and status, in pages", async () => {
    const { items } = await get<Page<User>>(`/admin/users?q=${person.username}`);
    expect(items).toEqual([await get<User>(`/admin/users/${person.id}`)]);
    expect(items[0]).toMatchObject({
      id: person.id,
      email: person.email,
      status: "active",
      roles: ["student"],
    });
    const first = await get<Page<User>>("/admin/users?limit=1");
    const second = await get<Page<User>>(`/admin/users?limit=1&cursor=${first.nextCursor}`);
    expect(first.items[0]?.id).toBe(person.id);
    expect(second.items[0]?.id).not.toBe(person.id);
    const admins = await get<Page<User>>("/admin/users?role=admin&status=active");
    expect(admins.items.map(({ id }) => id)).toContain(admin.id);
    expect(admins.items.map(({ id }) => id)).not.toContain(person.id);
  });

  test("get roles, in effect with their next request", async () => {
    const target = `/admin/users/${person.id}/roles`;
    expect(await publicly("GET", "/reviews", person)).toBe("403 FORBIDDEN");
    const given = await office.ok<User>("PUT", target, by({ body: { roles: ["student", "reviewer"] } }));
    expect([given.roles, given.version]).toEqual([["student", "reviewer"], 2]);
    expect(await publicly("GET", "/reviews", person)).toBe("200");
    expect(await put(target, { roles: [] })).toBe("200");
    expect(await publicly("GET", "/reviews", person)).toBe("403 FORBIDDEN");
  });

  test("are suspended, which ends their sessions, and come back", async () => {
    const target = `/admin/users/${person.id}/status`;
    expect(await put(target, { status: "suspended", reason })).toBe("200");
    expect(await publicly("GET", "/users/me", person)).toBe("401 INVALID_TOKEN");
    expect((await get<User>(`/admin/users/${person.id}`)).status).toBe("suspended");
    expect(await put(target, { status: "active", reason })).toBe("200");
    const body = { login: person.username, password: person.password };
    expect((await office.public.call("POST", "/auth/login", { body })).status).toBe(200);
  });

  test("what is refused", async () => {
    const target = `/admin/users/${person.id}`;
    const unknown = `/admin/users/${club}`;
    expect(await put(`${target}/roles`, { roles: ["king"] })).toMatch(/^422 .*roles/);
    expect(await put(`${target}/status`, { status: "suspended" })).toBe(
      "422 VALIDATION_FAILED reason=REQUIRED",
    );
    expect(await put(`${target}/status`, { status: "erased", reason })).toMatch(/^422 .*status=NOT_ALLOWED/);
    expect(await put(`${target}/roles`, { roles: [] }, { "if-match": '"9"' })).toBe(
      "412 PRECONDITION_FAILED",
    );
    expect(await put(`${unknown}/roles`, { roles: [] })).toBe("404 NOT_FOUND");
    expect(await put(`${unknown}/status`, { status: "active", reason })).toBe("404 NOT_FOUND");
    expect(await office.outcome("GET", unknown, by())).toBe("404 NOT_FOUND");
    expect(await office.outcome("GET", "/admin/users/1", by())).toMatch(/^422 .*id=/);
    expect(await office.outcome("GET", "/admin/users?cursor=x", by())).toBe("422 INVALID_CURSOR");
    expect(await office.outcome("GET", "/admin/users?king=1", by())).toMatch(/^422 .*king=UNKNOWN_FIELD/);
    for (const token of [person.token, undefined])
      expect(await office.outcome("GET", "/admin/users", { token })).toMatch(/^401 /);
  });

  test("If-Match with the version that was read", async () => {
    const target = `/admin/users/${person.id}/roles`;
    const roles = (...given: string[]) => ({ roles: given });
    expect(await put(target, roles("moderator"), { "if-match": '"1"' })).toBe("200");
    expect(await put(target, roles("reviewer"), { "if-match": '"1"' })).toBe("412 PRECONDITION_FAILED");
    expect((await get<User>(`/admin/users/${person.id}`)).roles).toEqual(["student", "moderator"]);
  });
});

describe("the last administrator", () => {
  test("is neither demoted nor suspended", async () => {
    expect(await put(`/admin/users/${admin.id}/roles`, { roles: [] })).toBe("409 LAST_ADMIN");
    expect(await put(`/admin/users/${admin.id}/status`, { status: "suspended", reason })).toBe(
      "409 LAST_ADMIN",
    );
  });

  test("one's own role goes while there is another, and with it the session at once", async () => {
    const other = await office.another();
    const second = await office.admin(other.username, other.password);
    expect(await put(`/admin/users/${second.id}/roles`, { roles: [] }, {}, second)).toBe("200");
    expect(await office.outcome("GET", "/admin/users", { token: second.token })).toMatch(/^(401|403) /);
    expect(await office.outcome("GET", "/admin/users", by())).toBe("200");
  });

  test("of two who take each other's role away one stays", async () => {
    for (let round = 0; round < 3; round++) {
      const other = await office.another();
      const second = await office.admin(other.username, other.password);
      const outcomes = await Promise.all([
        put(`/admin/users/${second.id}/roles`, { roles: [] }),
        put(`/admin/users/${admin.id}/status`, { status: "suspended", reason }, {}, second),
      ]);
      const { items } = await office.public.ok<Page<User>>("GET", "/users?role=admin&status=active", {
        token: (await publicAdmin(other)).token,
      });
      expect(items).toHaveLength(1);
      // Whoever came second has heard that they are the last, or has no session any more.
      expect(outcomes.filter((each) => each === "200")).toHaveLength(1);
      if (items[0]?.id === admin.id) continue;
      const body = { status: "active", reason };
      expect(await put(`/admin/users/${admin.id}/status`, body, {}, second)).toBe("200");
      admin = await office.admin();
      expect(await put(`/admin/users/${second.id}/roles`, { roles: [] })).toBe("200");
    }
  });

  /** Whichever of the two is an administrator still, on the public gateway. */
  async function publicAdmin(other: { username: string; password: string }): Promise<{ token: string }> {
    const body = { login: other.username, password: other.password };
    const signed = await office.public.ok<{ accessToken: string; user: { roles: string[] } }>(
      "POST",
      "/auth/login",
      {
        body,
      },
    );
    return signed.user.roles.includes("admin") ? { token: signed.accessToken } : office.public.admin();
  }
});

describe("clubs", () => {
  const found = (more: object = {}) =>
    office.public.ok<Club>("POST", "/clubs", {
      token: president.token,
      body: { name: `Club ${randomBytes(5).toString("hex")}`, summary: "New.", category: "service", ...more },
    });

  test("are listed in any status, newest first, by name, status and category", async () => {
    const pending = await found({ name: "天文观测社 Zenith", category: "culture-sports" });
    const { items } = await get<Page<Club>>("/admin/clubs");
    expect(items[0]).toMatchObject({ id: pending.id, status: "pending" });
    expect(items.map(({ id }) => id)).toContain(club);
    const named = await get<Page<Club>>(`/admin/clubs?q=${encodeURIComponent("观测")}`);
    expect(named.items.map(({ id }) => id)).toEqual([pending.id]);
    expect((await get<Page<Club>>("/admin/clubs?q=zENITH")).items).toHaveLength(1);
    expect((await get<Page<Club>>(`/admin/clubs?q=${pending.id}`)).items).toHaveLength(1);
    const active = await get<Page<Club>>("/admin/clubs?status=active");
    expect(active.items.map(({ id }) => id)).toEqual([club]);
    const sports = await get<Page<Club>>("/admin/clubs?category=culture-sports&status=pending");
    expect(sports.items.map(({ id }) => id)).toEqual([pending.id]);
    const first = await get<Page<Club>>("/admin/clubs?limit=1");
    const rest = await get<Page<Club>>(`/admin/clubs?cursor=${first.nextCursor}`);
    expect([...first.items, ...rest.items]).toEqual(items);
  });

  test("are suspended and come back; their writes wait meanwhile", async () => {
    const target = `/admin/clubs/${club}/status`;
    const before = await get<Page<Club>>("/admin/clubs?status=active");
    const suspended = await office.ok<Club>("PUT", target, by({ body: { status: "suspended", reason } }));
    expect(suspended).toMatchObject({
      id: club,
      status: "suspended",
      version: (before.items[0]?.version ?? 0) + 1,
    });
    expect(suspended).not.toHaveProperty("myRole");
    const favorite = `/clubs/${club}/favorite`;
    expect(await publicly("PUT", favorite, president)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await put(target, { status: "active", reason }, { "if-match": '"1"' })).toBe(
      "412 PRECONDITION_FAILED",
    );
    expect(await put(target, { status: "active", reason })).toBe("200");
    expect(await publicly("PUT", favorite, president)).toBe("204");
  });

  test("what is refused", async () => {
    const { id } = await found();
    expect(await put(`/admin/clubs/${id}/status`, { status: "active", reason })).toBe("409 CLUB_NOT_ACTIVE");
    expect(await put(`/admin/clubs/${person.id}/status`, { status: "active", reason })).toBe("404 NOT_FOUND");
    expect(await put(`/admin/clubs/${id}/status`, { status: "deleted", reason })).toMatch(/^422 .*status=/);
  });
});

describe("categories", () => {
  interface Category {
    slug: string;
    name: { en: string; "zh-CN": string };
  }
  const category = (slug: string, en = slug, zh = "类"): Category => ({ slug, name: { en, "zh-CN": zh } });
  const shown = (language: string) =>
    office.public.ok<{ slug: string; name: string }[]>("GET", "/categories", {
      headers: { "accept-language": language },
    });
  const used = ["political", "service", "culture-sports"].map((slug) => category(slug));

  test("are replaced, in their order and in both languages", async () => {
    const wanted = [category("arts", "The arts", "艺术类"), ...used];
    expect(await office.ok("PUT", "/admin/categories", by({ body: wanted }))).toEqual(wanted);
    expect((await shown("en")).map(({ slug, name }) => [slug, name])).toEqual(
      wanted.map(({ slug, name }) => [slug, name.en]),
    );
    expect((await shown("zh-CN"))[0]).toMatchObject({ slug: "arts", name: "艺术类" });
    const renamed = [...used, category("arts", "Arts")];
    expect(await put("/admin/categories", renamed)).toBe("200");
    expect((await shown("en")).at(-1)).toMatchObject({ slug: "arts", name: "Arts" });
    expect(await put("/admin/categories", used)).toBe("200");
    expect(await shown("en")).toHaveLength(3);
  });

  test("one with clubs cannot go", async () => {
    await office.ok("PUT", "/admin/categories", by({ body: used }));
    const answer = await office.call<{ code: string; detail: string }>(
      "PUT",
      "/admin/categories",
      by({ body: [category("arts")] }),
    );
    expect([answer.status, answer.body.code]).toEqual([409, "CATEGORY_IN_USE"]);
    expect(answer.body.detail).toContain("culture-sports");
    expect((await shown("en")).map(({ slug }) => slug)).toEqual(used.map(({ slug }) => slug));
  });

  test("of a club that is founded while its category goes one of the two happens", async () => {
    for (let round = 0; round < 4; round++) {
      const slug = `round-${round}`;
      await office.ok("PUT", "/admin/categories", by({ body: [...used, category(slug)] }));
      const founding = office.public.call<Club>("POST", "/clubs", {
        token: president.token,
        body: { name: `In a hurry ${round}`, summary: "New.", category: slug },
      });
      const [founded, replaced] = await Promise.all([founding, put("/admin/categories", used)]);
      expect([founded.status, replaced]).toEqual(
        founded.status === 201 ? [201, "409 CATEGORY_IN_USE"] : [422, "200"],
      );
      used.push(...(founded.status === 201 ? [category(slug)] : []));
    }
  });

  const named = { en: "a", "zh-CN": "b" };
  const many = Array.from({ length: 101 }, (_, n) => category(`c${n}`));
  test.each<[string, unknown, string]>([
    ["an object", { slug: "a" }, "=WRONG_TYPE"],
    ["an empty list", [], "=TOO_FEW"],
    ["a list too long", many, "=TOO_MANY"],
    ["a category without names", [{ slug: "a" }], "[0].name=REQUIRED"],
    ["a slug that is none", [{ slug: "Not Good", name: named }], "[0].slug=INVALID_FORMAT"],
    ["an empty name", [{ slug: "a", name: { ...named, en: " " } }], "[0].name.en=TOO_SHORT"],
    ["an unknown field", [{ slug: "a", name: named, more: 1 }], "[0].more=UNKNOWN_FIELD"],
    ["a slug twice", [category("twice"), category("twice")], "[1].slug=DUPLICATE"],
  ])("%s is refused", async (_what, body, fields) => {
    expect(await put("/admin/categories", body)).toBe(`422 VALIDATION_FAILED ${fields}`);
  });

  test("what is no JSON, or too much", async () => {
    const raw = async (text: string, type = "application/json") =>
      office.outcome("PUT", "/admin/categories", by({ raw: text, headers: { "content-type": type } }));
    expect(await raw("[{")).toBe("400 MALFORMED_JSON");
    expect(await raw("[]", "text/plain")).toBe("415 UNSUPPORTED_MEDIA_TYPE");
    expect(await raw(`["${"x".repeat(1_100_000)}"]`)).toBe("413 PAYLOAD_TOO_LARGE");
  });
});
