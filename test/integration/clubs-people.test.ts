/** What the domain keeps about people: favorites, export, erasure. */
import { newId } from "../../lib/ids.ts";
import type { Answer } from "../../lib/declare.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";

type ClubList = Answer<"clubs.list">;

let campus: Campus;
let admin: string;
let president: string;
let person: string;
beforeAll(async () => {
  campus = await startCampus();
  admin = campus.person("Admin", ["admin"]);
});
afterAll(async () => campus?.stop());
beforeEach(() => {
  president = campus.person("President");
  person = campus.person("Somebody");
});

const favorite = (method: "PUT" | "DELETE", id: string, as?: string) =>
  campus.outcome(method, `/clubs/${id}/favorite`, { as });
const mine = async (as: string, query = "") =>
  campus.ok<ClubList>("GET", `/users/me/favorites?${query}`, { as });
const counts = async (id: string) => {
  const row = await campus.db.primary.one<{ member_count: number; favorite_count: number }>(
    "SELECT member_count, favorite_count FROM clubs WHERE id = :id",
    { id },
  );
  return [row?.member_count, row?.favorite_count];
};
const suspend = (id: string) =>
  campus.ok("PUT", `/clubs/${id}/status`, { as: admin, body: { status: "suspended", reason: "Pause." } });

describe("favorites", () => {
  test("are a fact that can be stated twice", async () => {
    const { id } = await campus.club(president);
    for (let i = 0; i < 2; i++) expect(await favorite("PUT", id, person)).toBe("204");
    expect(await campus.get(id, person)).toMatchObject({ favoriteCount: 1, isFavorite: true, version: 2 });
    for (let i = 0; i < 2; i++) expect(await favorite("DELETE", id, person)).toBe("204");
    expect(await campus.get(id, person)).toMatchObject({ favoriteCount: 0, isFavorite: false });
  });

  test("are refused without a user, of no club, and of one that is not active", async () => {
    const { id } = await campus.club(president);
    expect(await favorite("PUT", id)).toBe("401 UNAUTHENTICATED");
    expect(await favorite("DELETE", id)).toBe("401 UNAUTHENTICATED");
    expect(await favorite("PUT", newId(), person)).toBe("404 NOT_FOUND");
    expect(await favorite("PUT", "7", person)).toBe("422 VALIDATION_FAILED id=INVALID_FORMAT");
    await favorite("PUT", id, president);
    await suspend(id);
    for (const method of ["PUT", "DELETE"] as const) {
      expect(await favorite(method, id, president)).toBe("409 CLUB_NOT_ACTIVE");
      expect(await favorite(method, id, admin)).toBe("409 CLUB_NOT_ACTIVE");
      expect(await favorite(method, id, person)).toBe("404 NOT_FOUND");
    }
    expect(await campus.outcome("GET", "/users/me/favorites")).toBe("401 UNAUTHENTICATED");
  });

  test("are listed newest first, those that one may still see", async () => {
    const clubs = [];
    for (let i = 0; i < 5; i++) clubs.push((await campus.club(president)).id);
    const [a, b, c, d, e] = clubs as [string, string, string, string, string];
    await campus.join(c, person);
    for (const id of clubs) await favorite("PUT", id, person);
    await suspend(b);
    await suspend(c);
    await campus.ok("DELETE", `/clubs/${d}`, { as: president });
    const first = await mine(person, "limit=2");
    const second = await mine(person, `limit=2&cursor=${first.nextCursor}`);
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual([e, c, a]);
    expect(first.items.map(({ isFavorite, myRole }) => [isFavorite, myRole])).toEqual([
      [true, null],
      [true, "member"],
    ]);
    expect(second.nextCursor).toBeNull();
    expect(await campus.outcome("GET", "/users/me/favorites?cursor=x", { as: person })).toBe(
      "422 INVALID_CURSOR",
    );
    expect((await mine(president)).items).toEqual([]);
  });

  test("of thirty at the same time are counted exactly", async () => {
    const { id } = await campus.club(president);
    const people = Array.from({ length: 30 }, () => campus.person());
    await Promise.all([...people, ...people].map((each) => favorite("PUT", id, each)));
    expect(await counts(id)).toEqual([1, 30]);
    const half = people.slice(15);
    await Promise.all([...half, ...half].map((each) => favorite("DELETE", id, each)));
    expect(await counts(id)).toEqual([1, 15]);
  });
});

describe("export", () => {
  async function exported(user: string): Promise<Record<string, unknown>[]> {
    const records: Record<string, unknown>[] = [];
    let cursor: string | null = null;
    do {
      const page: Answer<"clubs.exportUser"> = await campus.broker.call("clubs.exportUser", { user, cursor });
      records.push(...page.records);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return records;
  }

  test("has memberships, favorites, offers and clubs founded, whatever their number", async () => {
    const own = await campus.club(person, { name: "Founded by me" });
    const { id, name } = await campus.club(president);
    await campus.join(id, person, "officer", president);
    await campus.ok("POST", `/clubs/${id}/transfer`, { as: president, body: { userId: person } });
    await favorite("PUT", id, person);
    const like = await campus.db.primary.one("SELECT * FROM clubs WHERE id = :id", { id });
    await campus.db.transaction(async (tx) => {
      for (let i = 0; i < 1_200; i++) {
        const club = newId();
        await tx.insert("clubs", { ...like, id: club, name_key: null });
        await tx.insert("favorites", { user_id: person, club_id: club, created_at: i });
      }
    });
    const records = await exported(person);
    expect(records).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: "membership", clubId: own.id, role: "president", title: null }),
        expect.objectContaining({ kind: "membership", clubId: id, clubName: name, role: "officer" }),
        expect.objectContaining({ kind: "favorite", clubId: id, since: expect.any(String) }),
        expect.objectContaining({ kind: "presidencyOffer", clubId: id, expiresAt: expect.any(String) }),
        expect.objectContaining({ kind: "founded", clubId: own.id, clubName: own.name, status: "active" }),
      ]),
    );
    expect(records).toHaveLength(1_205);
    expect(new Set(records.map(({ kind, clubId }) => `${String(kind)} ${String(clubId)}`)).size).toBe(1_205);
    expect(await exported(newId())).toEqual([]);
  });
});

describe("erasure", () => {
  const erase = (user: string) => campus.deliver("clubs.onUserErased", "users.erased", user);

  test("drops memberships, favorites and offers, and corrects the counts", async () => {
    const { id } = await campus.club(president);
    const other = await campus.club(president);
    await campus.join(id, person, "officer", president);
    await campus.ok("POST", `/clubs/${id}/transfer`, { as: president, body: { userId: person } });
    for (const each of [id, other.id]) await favorite("PUT", each, person);
    await favorite("PUT", other.id, president);
    await suspend(other.id);
    await erase(person);
    await erase(person);
    expect(await counts(id)).toEqual([1, 0]);
    expect(await counts(other.id)).toEqual([1, 1]);
    for (const table of ["members", "favorites", "transfers"])
      expect(
        await campus.db.primary.number(`SELECT COUNT(*) FROM ${table} WHERE user_id = :person`, { person }),
      ).toBe(0);
    expect(await campus.told(id, "clubs.memberLeft")).toMatchObject([{ data: { userId: person, by: null } }]);
    expect((await campus.ok("GET", `/clubs/${id}`)).memberCount).toBe(1);
  });

  test("is prevented by a presidency of a club that lives", async () => {
    const presided = (user: string) => campus.broker.call("clubs.presidedBy", { user });
    const { id } = await campus.club(president);
    const rejected = await campus.pending(president);
    await campus.review(rejected.id, 1, "rejected", "No.");
    expect(await presided(president)).toEqual([id]);
    expect(await presided(person)).toEqual([]);
    await campus.ok("DELETE", `/clubs/${id}`, { as: president });
    expect(await presided(president)).toEqual([]);
  });

  test("of somebody who became president in that moment passes the presidency on", async () => {
    const { id } = await campus.club(president);
    const officer = campus.person();
    await campus.join(id, person);
    await campus.join(id, officer, "officer", president);
    await erase(president);
    const roles = await campus.db.primary.all<{ user_id: string; role: string }>(
      "SELECT user_id, role FROM members WHERE club_id = :id ORDER BY joined_at, user_id",
      { id },
    );
    expect(roles.map((row) => [row.user_id, row.role])).toEqual([
      [person, "member"],
      [officer, "president"],
    ]);
    expect(await counts(id)).toEqual([2, 0]);
  });
});
