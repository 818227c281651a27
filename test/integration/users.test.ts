/** Profiles, roles, suspension. */
import { newId } from "../../lib/ids.ts";
import { lockAdmins, refuseLastAdmin, writeRoles } from "../../services/users/roles.ts";
import { eventually } from "../support/federation.ts";
import { signIn, startHouse, unique } from "../support/users.ts";
import type { House, Problem } from "../support/users.ts";

let house: House;
let admin: { id: string; token: string };
beforeAll(async () => {
  house = await startHouse();
  admin = await house.federation.admin();
});
afterAll(() => house.stop());

const someone = () => house.federation.register(`u${unique()}`);
const setRoles = (id: string, roles: string[], token = admin.token) =>
  house.call<{ roles: string[] }>("PUT", `/users/${id}/roles`, { token, body: { roles } });
const setStatus = (id: string, status: string, token = admin.token) =>
  house.call<{ status: string }>("PUT", `/users/${id}/status`, {
    token,
    body: { status, reason: "A test." },
  });

/** Messages of a user, as the outbox has them; not those for the audit log. */
async function told(id: string): Promise<{ type: string; version: number; data: object }[]> {
  const rows = await house.db.primary.all<{ envelope: string }>(
    "SELECT envelope FROM outbox WHERE user_id = :id AND type <> 'users.acted' ORDER BY id",
    { id },
  );
  return rows.map(({ envelope }) => {
    const { type, aggregate, data } = JSON.parse(envelope) as {
      type: string;
      aggregate: { version: number };
      data: object;
    };
    return { type, version: aggregate.version, data };
  });
}

describe("my profile", () => {
  test("is read and changed", async () => {
    const { token, id } = await someone();
    const fields = {
      displayName: "  李 明  ",
      bio: "first\r\nsecond",
      avatarFileId: newId(),
      college: "Informatics",
      major: "Software",
      grade: "2024",
      locale: "zh-CN",
    };
    const changed = await house.call("PATCH", "/users/me", { token, body: fields });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ ...fields, displayName: "李 明", bio: "first\nsecond", version: 2 });
    expect((await house.call("GET", "/users/me", { token })).body).toEqual(changed.body);
    const cleared = await house.call("PATCH", "/users/me", { token, body: { bio: null, college: null } });
    expect(cleared.body).toMatchObject({ bio: null, college: null, major: "Software", version: 3 });
    expect(await told(id)).toEqual([
      { type: "users.registered", version: 1, data: {} },
      { type: "users.updated", version: 2, data: {} },
      { type: "users.updated", version: 3, data: {} },
    ]);
  });

  test("a change of nothing changes nothing", async () => {
    const { token } = await someone();
    expect((await house.call("PATCH", "/users/me", { token, body: {} })).body).toMatchObject({ version: 1 });
  });

  test("If-Match and If-None-Match", async () => {
    const { token } = await someone();
    const change = (tag: string) =>
      house.outcome("PATCH", "/users/me", { token, body: { bio: "x" }, headers: { "if-match": tag } });
    const { headers } = await house.call("GET", "/users/me", { token });
    const cached = { "if-none-match": headers.etag as string };
    expect((await house.call("GET", "/users/me", { token, headers: cached })).status).toBe(304);
    expect(await change('"7"')).toBe("412 PRECONDITION_FAILED");
    expect(await change(headers.etag as string)).toBe("200");
    expect(await change(headers.etag as string)).toBe("412 PRECONDITION_FAILED");
    expect(await change("*")).toBe("200");
  });

  test.each([
    [{ displayName: "" }, "displayName"],
    [{ displayName: "x".repeat(51) }, "displayName"],
    [{ bio: "x".repeat(501) }, "bio"],
    [{ college: "a\u0000b" }, "college"],
    [{ avatarFileId: "mine" }, "avatarFileId"],
    [{ locale: "de" }, "locale"],
    [{ email: "a@example.edu" }, "email"],
    [{ roles: ["admin"] }, "roles"],
    [{ status: "active" }, "status"],
  ])("refuses %j", async (body, field) => {
    const { token } = await sharedPerson();
    const answer = await house.call<Problem>("PATCH", "/users/me", { token, body });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ field }] } });
  });

  test("needs a token", async () => {
    expect(await house.outcome("GET", "/users/me")).toBe("401 UNAUTHENTICATED");
    expect(await house.outcome("PATCH", "/users/me", { body: {} })).toBe("401 UNAUTHENTICATED");
    expect(await house.outcome("GET", "/users/me", { token: "nonsense" })).toBe("401 INVALID_TOKEN");
  });

  let shared: ReturnType<typeof someone> | undefined;
  const sharedPerson = () => (shared ??= someone());
});

describe("a person", () => {
  test("others see little, oneself and administrators all", async () => {
    const [one, two] = [await someone(), await someone()];
    const target = `/users/${one.id}`;
    expect((await house.call("GET", target, { token: two.token })).body).toEqual({
      id: one.id,
      username: one.username,
      displayName: one.username,
      avatarFileId: null,
      bio: null,
      college: null,
    });
    for (const token of [one.token, admin.token])
      expect((await house.call("GET", target, { token })).body).toMatchObject({
        email: one.email,
        status: "active",
      });
    expect(await house.outcome("GET", target)).toBe("401 UNAUTHENTICATED");
    expect(await house.outcome("GET", `/users/${newId()}`, { token: two.token })).toBe("404 NOT_FOUND");
    expect(await house.outcome("GET", "/users/none", { token: two.token })).toBe("422 VALIDATION_FAILED");
  });
});

describe("roles", () => {
  test("are given and taken, in effect at once; student is implied", async () => {
    const { id, token } = await someone();
    expect(await house.outcome("GET", "/users", { token })).toBe("403 FORBIDDEN");
    expect((await setRoles(id, ["admin", "reviewer"])).body).toMatchObject({
      roles: ["student", "reviewer", "admin"],
      version: 2,
    });
    expect(await house.outcome("GET", "/users", { token })).toBe("200");
    expect((await setRoles(id, ["student", "admin", "reviewer"])).body).toMatchObject({ version: 2 });
    expect((await setRoles(id, [])).body).toMatchObject({ roles: ["student"], version: 3 });
    expect(await house.outcome("GET", "/users", { token })).toBe("403 FORBIDDEN");
    expect((await told(id)).map(({ type }) => type)).toEqual([
      "users.registered",
      "users.updated",
      "users.updated",
    ]);
  });

  test("refusals", async () => {
    const { id, token } = await someone();
    expect(await setRoles(id, ["admin"], token)).toMatchObject({ status: 403 });
    expect((await setRoles("malformed", ["admin"], token)).status).toBe(403);
    expect((await setRoles("malformed", ["admin"])).status).toBe(422);
    expect((await setRoles(newId(), ["admin"])).status).toBe(404);
    expect((await setRoles(id, ["king"])).status).toBe(422);
    expect((await setRoles(id, ["admin", "admin"])).status).toBe(422);
    expect(await house.outcome("PUT", `/users/${id}/roles`, { body: { roles: [] } })).toBe(
      "401 UNAUTHENTICATED",
    );
    const stale = { token: admin.token, body: { roles: ["admin"] }, headers: { "if-match": '"9"' } };
    expect(await house.outcome("PUT", `/users/${id}/roles`, stale)).toBe("412 PRECONDITION_FAILED");
  });

  test("a sign-in of long ago does not do for an administrator", async () => {
    const { id } = await someone();
    await house.db.primary.run(
      "UPDATE sessions SET created_at = created_at - 960000 WHERE user_id = :id",
      admin,
    );
    expect(await setRoles(id, ["reviewer"])).toMatchObject({ status: 403, body: { code: "SIGN_IN_AGAIN" } });
    admin = await house.federation.admin();
    expect((await setRoles(id, ["reviewer"])).status).toBe(200);
  });

  test("the last administrator stays", async () => {
    const last = { status: 409, body: { code: "LAST_ADMIN" } };
    expect(await setRoles(admin.id, ["reviewer"])).toMatchObject(last);
    expect(await setStatus(admin.id, "suspended")).toMatchObject(last);
    const body = { password: "correct horse battery" };
    expect(await house.outcome("DELETE", "/users/me", { token: admin.token, body })).toBe("409 LAST_ADMIN");
    // One who is suspended does not count.
    const second = await someone();
    await setRoles(second.id, ["admin"]);
    await setStatus(second.id, "suspended");
    expect(await setRoles(admin.id, [])).toMatchObject(last);
    await setStatus(second.id, "active");
    const { token } = await signIn(house, second);
    expect((await setRoles(admin.id, [], token)).status).toBe(200);
    expect((await setRoles(admin.id, ["admin"], token)).status).toBe(200);
    expect((await setRoles(second.id, [])).status).toBe(200);
  });

  test("of two administrators who take each other away at once one stays", async () => {
    for (let round = 0; round < 8; round++) {
      const second = await someone();
      await setRoles(second.id, ["admin"]);
      const outcomes = await Promise.all(
        [admin.id, second.id].map((id) =>
          house.db
            .transaction(async (tx) => {
              await lockAdmins(tx);
              await refuseLastAdmin(tx, id);
              await writeRoles(tx, id, [], true);
            })
            .then(
              () => "gone",
              (error: { type?: string }) => error.type,
            ),
        ),
      );
      expect(outcomes.map(String).toSorted()).toEqual(["LAST_ADMIN", "gone"]);
      await house.db.transaction((tx) => writeRoles(tx, admin.id, ["admin"], true));
      await house.db.transaction((tx) => writeRoles(tx, second.id, [], true));
    }
  });

  test("what each may do is told from the contracts", async () => {
    const { token } = await someone();
    const { body } = await house.call<{ role: string; permissions: string[] }[]>("GET", "/roles", { token });
    expect(body.map(({ role }) => role)).toEqual(["student", "reviewer", "moderator", "admin"]);
    const of = (role: string) => body.find((each) => each.role === role)?.permissions;
    expect(of("admin")).toEqual(expect.arrayContaining(["users.list", "users.setRoles", "clubs.setStatus"]));
    expect(of("student")).toEqual(expect.arrayContaining(["users.me", "clubs.create"]));
    expect(of("student")).not.toContain("users.setRoles");
    expect(of("reviewer")).toEqual(expect.arrayContaining(["reviews.claim"]));
    expect(await house.outcome("GET", "/roles")).toBe("401 UNAUTHENTICATED");
  });
});

describe("suspension", () => {
  test("ends all sessions, and is lifted", async () => {
    const person = await someone();
    await setRoles(person.id, ["reviewer"]);
    expect((await setStatus(person.id, "suspended")).body).toMatchObject({ status: "suspended", version: 3 });
    expect((await setStatus(person.id, "suspended")).body).toMatchObject({ version: 3 });
    await eventually(
      async () =>
        (await house.outcome("GET", "/users/me", person)) === "401 INVALID_TOKEN" ? true : undefined,
      1_500,
    );
    const { broker } = house.federation;
    expect(await broker.call("users.rolesOf", { id: person.id })).toEqual([]);
    expect(await broker.call("users.withRole", { role: "reviewer" })).not.toContain(person.id);
    expect((await setStatus(person.id, "active")).body).toMatchObject({
      status: "active",
      roles: ["student", "reviewer"],
    });
    expect(await broker.call("users.rolesOf", { id: person.id })).toEqual(["reviewer"]);
    const { token } = await signIn(house, person);
    expect(await house.outcome("GET", "/users/me", { token })).toBe("200");
    expect((await told(person.id)).slice(-2)).toEqual([
      { type: "users.suspended", version: 3, data: { status: "suspended" } },
      { type: "users.suspended", version: 4, data: { status: "active" } },
    ]);
  });

  test("refusals", async () => {
    const { id, token } = await someone();
    expect((await setStatus(id, "suspended", token)).status).toBe(403);
    expect((await setStatus(newId(), "suspended")).status).toBe(404);
    expect((await setStatus(id, "erased")).status).toBe(422);
    const target = `/users/${id}/status`;
    expect(await house.outcome("PUT", target, { token: admin.token, body: { status: "active" } })).toBe(
      "422 VALIDATION_FAILED",
    );
    expect(await house.outcome("PUT", target, { body: {} })).toBe("401 UNAUTHENTICATED");
  });

  test("a session that opens at the same moment does not escape it", async () => {
    for (let round = 0; round < 5; round++) {
      const person = await someone();
      const body = { login: person.username, password: person.password };
      await Promise.all([
        house.outcome("POST", "/auth/login", { body }),
        setStatus(person.id, "suspended"),
        house.outcome("POST", "/auth/login", { body }),
      ]);
      expect(await house.federation.broker.call("sessions.ofUser", { user: person.id })).toEqual([]);
    }
  });
});
