/** The search of people, and their names for other domains. */
import { newId } from "../../lib/ids.ts";
import { PASSWORD, startHouse, unique } from "../support/users.ts";
import type { House } from "../support/users.ts";

let house: House;
let admin: { id: string; token: string };
beforeAll(async () => {
  house = await startHouse();
  admin = await house.federation.admin();
});
afterAll(() => house.stop());

const someone = () => house.federation.register(`u${unique()}`);
const setRoles = (id: string, roles: string[]) =>
  house.federation.ok("PUT", `/users/${id}/roles`, { token: admin.token, body: { roles } });
const setStatus = (id: string, status: string) =>
  house.federation.ok("PUT", `/users/${id}/status`, {
    token: admin.token,
    body: { status, reason: "A test." },
  });

describe("the search of people", () => {
  const search = (query: string) =>
    house.federation.ok<{ items: { id: string }[]; nextCursor: string | null }>(
      "GET",
      `/users?${query}`,
      admin,
    );

  test("by part of user name, display name or e-mail, in any case", async () => {
    const mark = unique();
    const body = {
      username: `find-${mark}`,
      email: `Post-${mark}@example.edu`,
      password: PASSWORD,
      displayName: `李 ${mark} 100%_!`,
    };
    const { user } = await house.federation.ok<{ user: { id: string } }>("POST", "/auth/register", { body });
    for (const q of [`IND-${mark}`, `post-${mark}@EXAMPLE`, `李 ${mark}`, `${mark} 100%_!`])
      expect((await search(`q=${encodeURIComponent(q)}`)).items.map(({ id }) => id)).toEqual([user.id]);
    for (const q of [`find_${mark}`, `${mark}%100`, "%%%"])
      expect((await search(`q=${encodeURIComponent(q)}`)).items).toEqual([]);
  });

  test("in pages, newest first, by role and status", async () => {
    const mark = unique();
    const people = [];
    for (let i = 0; i < 5; i++) people.push(await house.federation.register(`${mark}-${i}`));
    const ids = people.map(({ id }) => id).toReversed();
    await setRoles(ids[1] as string, ["moderator"]);
    await setStatus(ids[2] as string, "suspended");
    const seen: string[] = [];
    let cursor = "";
    do {
      const page = await search(`q=${mark}&limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.items.map(({ id }) => id));
      // A newcomer in between changes nothing.
      if (!cursor) await house.federation.register(`${mark}-late`);
      cursor = page.nextCursor ?? "";
    } while (cursor);
    expect(seen).toEqual(ids);
    const found = async (query: string) => (await search(`q=${mark}&${query}`)).items.map(({ id }) => id);
    expect(await found("role=moderator")).toEqual([ids[1]]);
    expect(await found("status=suspended")).toEqual([ids[2]]);
    expect(await found("role=student")).toHaveLength(6);
    expect(await found("status=erased")).toEqual([]);
  });

  test("refusals", async () => {
    const { token } = await someone();
    expect(await house.outcome("GET", "/users", { token })).toBe("403 FORBIDDEN");
    expect(await house.outcome("GET", "/users")).toBe("401 UNAUTHENTICATED");
    for (const query of ["limit=0", "limit=101", "role=king", "status=gone", "sort=name", "q="])
      expect(await house.outcome("GET", `/users?${query}`, admin)).toBe("422 VALIDATION_FAILED");
    expect(await house.outcome("GET", "/users?cursor=x", admin)).toBe("422 INVALID_CURSOR");
  });
});

test("names of many in one call", async () => {
  const [one, two] = [await someone(), await someone()];
  const ids = [two.id, newId(), one.id];
  const found = await house.federation.broker.call("users.names", { ids });
  expect(found).toHaveLength(2);
  expect(found).toContainEqual(
    expect.objectContaining({ id: one.id, displayName: one.username, locale: "en", status: "active" }),
  );
  expect(await house.federation.broker.call("users.names", { ids: [] })).toEqual([]);
});
