/** All data about me, and my erasure. */
import { newId } from "../../lib/ids.ts";
import { beginErasure, erase } from "../../services/users/erasure.ts";
import { sweepIdentities } from "../../services/users/identities.ts";
import type { UserRow } from "../../services/users/accounts.ts";
import { eventually } from "../support/federation.ts";
import type { Person } from "../support/federation.ts";
import { startHouse, unique } from "../support/users.ts";
import type { House } from "../support/users.ts";

let house: House;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.stop());
afterEach(() => house.away.clear());

const someone = () => house.federation.register(`u${unique()}`);
const eraseMe = ({ token, password }: Pick<Person, "token" | "password">) =>
  house.outcome("DELETE", "/users/me", { token, body: { password } });
const register = (fields: object) =>
  house.outcome("POST", "/auth/register", {
    body: {
      username: `u${unique()}`,
      email: `${unique()}@example.edu`,
      password: "a long enough passphrase",
      ...fields,
    },
  });

describe("export", () => {
  interface Export {
    exportedAt: string;
    domains: { users: { profile: object; sessions: object[] }; clubs: object[] } & Record<string, unknown>;
  }

  test("has what every domain keeps, all its pages", async () => {
    const person = await someone();
    const { body } = await house.call<Export>("GET", "/users/me/export", person);
    const domains =
      "applications clubs comments files moderation notifications participations posts users".split(" ");
    expect(Object.keys(body.domains).toSorted()).toEqual(domains);
    expect(body.domains.users.profile).toMatchObject({
      id: person.id,
      email: person.email,
      roles: ["student"],
    });
    expect(body.domains.users.sessions).toEqual([
      expect.objectContaining({ address: "127.0.0.1", endedAt: null }),
    ]);
    expect(body.domains.clubs).toEqual([{ kind: "membership" }, { kind: "favorite" }, { kind: "offer" }]);
    expect(JSON.stringify(body)).not.toMatch(/argon2|hash/);
  });

  test("is whole or not at all", async () => {
    const person = await someone();
    house.away.add("clubs");
    expect(await house.outcome("GET", "/users/me/export", person)).toBe("503 UNAVAILABLE");
    house.away.clear();
    expect(await house.outcome("GET", "/users/me/export", person)).toBe("200");
    expect(await house.outcome("GET", "/users/me/export")).toBe("401 UNAUTHENTICATED");
  });
});

describe("erasure", () => {
  test("takes everything personal away and keeps the user name from others", async () => {
    const person = await someone();
    const reader = await someone();
    await house.federation.ok("PATCH", "/users/me", {
      token: person.token,
      body: { bio: "a secret", college: "C" },
    });
    await house.call("POST", "/auth/password/forgot", { body: { email: person.email } });
    await house.call("POST", "/auth/login", {
      body: { login: person.username, password: "not the password" },
    });
    const [mail] = await house.mails(person.email);
    expect(await eraseMe(person)).toBe("204");

    await eventually(
      async () =>
        (await house.outcome("GET", "/users/me", person)) === "401 INVALID_TOKEN" ? true : undefined,
      1_500,
    );
    const { refreshToken, username, password, email } = person;
    expect(await house.outcome("POST", "/auth/refresh", { body: { refreshToken } })).toBe(
      "401 INVALID_TOKEN",
    );
    expect(await house.outcome("POST", "/auth/login", { body: { login: username, password } })).toBe(
      "401 INVALID_CREDENTIALS",
    );
    const reset = { token: mail?.token, newPassword: "another long passphrase" };
    expect(await house.outcome("POST", "/auth/password/reset", { body: reset })).toBe("422 INVALID_TOKEN");
    expect(await house.outcome("GET", `/users/${person.id}`, reader)).toBe("404 NOT_FOUND");
    expect(await register({ username: username.toUpperCase() })).toBe("409 USERNAME_TAKEN");
    expect(await register({ email })).toBe("201");

    const { broker } = house.federation;
    expect(await broker.call("users.names", { ids: [person.id] })).toEqual([
      expect.objectContaining({ id: person.id, username: null, displayName: "", status: "erased" }),
    ]);
    const admin = await house.federation.admin();
    const { items } = await house.federation.ok<{ items: object[] }>("GET", "/users?status=erased", admin);
    expect(items).toContainEqual(
      expect.objectContaining({ id: person.id, email: null, displayName: "deleted user", status: "erased" }),
    );
    expect(
      await house.outcome("PUT", `/users/${person.id}/roles`, { ...admin, body: { roles: ["admin"] } }),
    ).toBe("404 NOT_FOUND");
    await nothingIsLeft(person);
  });

  test("tells the others, and each domain's receipt is seen", async () => {
    const person = await someone();
    await eraseMe(person);
    const { broker } = house.federation;
    interface Receipts {
      erasedAt: number;
      receipts: { consumer: string; done: boolean }[];
    }
    const receipts = await eventually(async () => {
      const found = await broker.call<Receipts, { id: string }>("users.erasure", { id: person.id });
      const all = found.receipts.filter(({ consumer }) => consumer === "notifications.onUserErased");
      return all.some(({ done }) => done) ? found : undefined;
    });
    // Only notifications runs here; the statistics are stood in for.
    const done = receipts.receipts.filter((each) => each.done).map(({ consumer }) => consumer);
    expect(done.filter((consumer) => consumer !== "statistics.onMessage")).toEqual([
      "notifications.onUserErased",
    ]);
    expect(receipts.receipts).toContainEqual({ consumer: "clubs.onUserErased", done: false });
    await expect(broker.call("users.erasure", { id: newId() })).rejects.toMatchObject({ type: "NOT_FOUND" });
    await house.db.primary.run("DELETE FROM outbox WHERE user_id = :id", { id: person.id });
    const later = await broker.call<Receipts, { id: string }>("users.erasure", { id: person.id });
    expect(later.receipts.every(({ done }) => done)).toBe(true);
  });

  test("refusals", async () => {
    const person = await someone();
    expect(await house.outcome("DELETE", "/users/me", { body: { password: "x" } })).toBe(
      "401 UNAUTHENTICATED",
    );
    expect(await eraseMe({ ...person, password: "not the password" })).toBe("403 WRONG_PASSWORD");
    expect(await house.outcome("DELETE", "/users/me", { token: person.token, body: {} })).toBe(
      "422 VALIDATION_FAILED",
    );
    house.presidents.add(person.id);
    expect(await eraseMe(person)).toBe("409 CLUB_NEEDS_PRESIDENT");
    house.presidents.delete(person.id);
    expect(await house.outcome("GET", "/users/me", person)).toBe("200");
    expect(await eraseMe(person)).toBe("204");
    expect(await eraseMe(person)).toBe("401 INVALID_TOKEN");
  });

  test("that dies half way is finished, one that is refused leaves the names", async () => {
    const person = await someone();
    const value = `u:${person.username}`;
    const user = (await house.db.primary.one<UserRow>("SELECT * FROM users WHERE id = :id", {
      id: person.id,
    })) as UserRow;
    const later = () => sweepIdentities(house.db.primary, Date.now() + 60_000);
    const state = () => house.db.primary.one("SELECT state FROM identities WHERE value = :value", { value });
    // Refused after it began.
    await beginErasure(house.db, user);
    await later();
    expect(await state()).toEqual({ state: "active" });
    expect(
      await house.outcome("POST", "/auth/login", {
        body: { login: person.username, password: person.password },
      }),
    ).toBe("200");
    // Killed after its commit.
    await beginErasure(house.db, user);
    await house.db.transaction((tx) => erase(tx, user));
    await later();
    expect(await state()).toBeNull();
    expect(await register({ username: person.username })).toBe("409 USERNAME_TAKEN");
    expect(await register({ email: person.email })).toBe("201");
  });
});

/** Nothing that names the person is in any table, but for the hash of the user name. */
async function nothingIsLeft({ id, username, email }: Person): Promise<void> {
  const tables = [
    "users",
    "identities",
    "sessions",
    "account_tokens",
    "login_failures",
    "user_roles",
    "idempotency_keys",
  ];
  for (const table of tables) {
    const text = JSON.stringify(await house.db.primary.all(`SELECT * FROM ${table}`));
    for (const secret of [
      username,
      "a secret",
      ...(table === "users" || table === "identities" ? [] : [id, email]),
    ])
      expect(`${table} ${text.includes(secret)}`).toBe(`${table} false`);
  }
  const row = await house.db.primary.one("SELECT * FROM users WHERE id = :id", { id });
  expect(row).toMatchObject({ email: null, bio: null, college: null, password_hash: null, status: "erased" });
}
