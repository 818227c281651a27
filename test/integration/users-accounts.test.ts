/** Registration and signing in. */
import { createAccount } from "../../services/users/accounts.ts";
import { sweepIdentities } from "../../services/users/identities.ts";
import { newId } from "../../lib/ids.ts";
import { PASSWORD, SlowDatabase, startHouse, unique } from "../support/users.ts";
import type { House, Problem } from "../support/users.ts";

let house: House;
beforeAll(async () => {
  house = await startHouse({ EMAIL_DOMAINS: "example.edu,mail.example.edu" });
});
afterAll(() => house.stop());

const form = (fields: Record<string, unknown> = {}) => {
  const name = `u${unique()}`;
  return { username: name, email: `${name}@example.edu`, password: PASSWORD, ...fields };
};
const register = (fields: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  house.call<Record<string, never>>("POST", "/auth/register", { body: form(fields), headers });
const login = (name: string, password: string) =>
  house.call<Problem>("POST", "/auth/login", { body: { login: name, password } });

interface Tokens {
  user: Record<string, unknown>;
  accessToken: string;
  refreshToken: string;
}

describe("registration", () => {
  test("answers the user and tokens that work", async () => {
    const body = form({ username: `Li明.${unique()}`, acceptedTerms: true });
    const made = await house.call<Tokens & Record<string, unknown>>("POST", "/auth/register", { body });
    const username = body.username.toLowerCase();
    expect(made.status).toBe(201);
    expect(made.headers["cache-control"]).toBe("no-store");
    expect(made.body).toMatchObject({ tokenType: "Bearer", expiresIn: 600 });
    expect(made.body.user).toMatchObject({
      username,
      email: body.email,
      displayName: username,
      locale: "en",
      roles: ["student"],
      status: "active",
      version: 1,
    });
    const me = await house.call("GET", "/users/me", { token: made.body.accessToken });
    expect(me.body).toEqual(made.body.user);
    const own = await house.call<{ domains: { users: { profile: object } } }>("GET", "/users/me/export", {
      token: made.body.accessToken,
    });
    expect(own.body.domains.users.profile).toMatchObject({ acceptedTermsAt: expect.any(String) as string });
  });

  test("takes the language from the request unless it is given", async () => {
    const chinese = { "accept-language": "zh" };
    expect(await register({}, chinese)).toMatchObject({ body: { user: { locale: "zh-CN" } } });
    expect(await register({ locale: "en" }, chinese)).toMatchObject({ body: { user: { locale: "en" } } });
    expect(await register({ displayName: " 李 明 " })).toMatchObject({
      body: { user: { displayName: "李 明" } },
    });
  });

  test.each([
    [{ username: "ab" }, "username", "TOO_SHORT"],
    [{ username: "a".repeat(33) }, "username", "TOO_LONG"],
    [{ username: "no spaces" }, "username", "INVALID_FORMAT"],
    [{ username: "café" }, "username", "INVALID_FORMAT"],
    [{ email: "nobody" }, "email", "INVALID_FORMAT"],
    [{ email: "a@b@example.edu" }, "email", "INVALID_FORMAT"],
    [{ password: "too short" }, "password", "TOO_SHORT"],
    [{ password: "x".repeat(129) }, "password", "TOO_LONG"],
    [{ password: "1234567890" }, "password", "COMMON_PASSWORD"],
    [{ displayName: "" }, "displayName", "TOO_SHORT"],
    [{ displayName: "x".repeat(51) }, "displayName", "TOO_LONG"],
    [{ locale: "fr" }, "locale", "NOT_ALLOWED"],
    [{ acceptedTerms: "yes" }, "acceptedTerms", "WRONG_TYPE"],
    [{ roles: ["admin"] }, "roles", "UNKNOWN_FIELD"],
  ])("refuses %j", async (fields, field, code) => {
    const { status, body } = await house.call<Problem>("POST", "/auth/register", { body: form(fields) });
    expect({ status, code: body.code }).toEqual({ status: 422, code: "VALIDATION_FAILED" });
    expect(body.errors).toEqual([expect.objectContaining({ field, code })]);
  });

  test("takes only e-mails of the domains named", async () => {
    const other = await house.call<Problem>("POST", "/auth/register", {
      body: form({ email: "a@sub.example.edu" }),
    });
    expect(other).toMatchObject({ status: 422, body: { code: "EMAIL_DOMAIN" } });
    expect((await register({ email: `${unique()}@MAIL.example.edu` })).status).toBe(201);
  });

  test("user name and e-mail are unique, whatever their case and width", async () => {
    const first = form();
    expect((await house.call("POST", "/auth/register", { body: first })).status).toBe(201);
    const again = (fields: object) => house.outcome("POST", "/auth/register", { body: form({ ...fields }) });
    expect(await again({ username: first.username.toUpperCase() })).toBe("409 USERNAME_TAKEN");
    expect(await again({ email: first.email.toUpperCase() })).toBe("409 EMAIL_TAKEN");
    expect(await again({ email: first.email.replace("u", "ｕ") })).toBe("409 EMAIL_TAKEN");
  });

  test("of twenty at once one gets the name, and the others leave nothing behind", async () => {
    const username = `race${unique()}`;
    const bodies = Array.from({ length: 20 }, () => form({ username }));
    const outcomes = await Promise.all(
      bodies.map((body) => house.outcome("POST", "/auth/register", { body })),
    );
    expect(outcomes.filter((outcome) => outcome === "201")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "409 USERNAME_TAKEN")).toHaveLength(19);
    const emails = bodies.map(({ email }) => `e:${email}`);
    const rows = await house.db.primary.all("SELECT state FROM identities WHERE value IN (:emails)", {
      emails,
    });
    expect(rows).toEqual([{ state: "active" }]);
  });

  test("of twenty at once one gets the e-mail, and the names of the others are free", async () => {
    const email = `race${unique()}@example.edu`;
    const bodies = Array.from({ length: 20 }, () => form({ email }));
    const outcomes = await Promise.all(
      bodies.map((body) => house.outcome("POST", "/auth/register", { body })),
    );
    expect(outcomes.filter((outcome) => outcome === "201")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "409 EMAIL_TAKEN")).toHaveLength(19);
    const names = bodies.map(({ username }) => `u:${username}`);
    const rows = await house.db.primary.all("SELECT state FROM identities WHERE value IN (:names)", {
      names,
    });
    expect(rows).toEqual([{ state: "active" }]);
  });

  test("what died half way is freed, what was finished stays", async () => {
    const dead = form();
    const person = await house.federation.register(`u${unique()}`);
    const old = Date.now() - 41_000;
    for (const [value, user] of [
      [`u:${dead.username}`, newId()],
      [`e:${dead.email}`, newId()],
    ] as const)
      await house.db.primary.insert("identities", {
        value,
        user_id: user,
        state: "reserved",
        created_at: old,
      });
    // The process of this one died between its row and the last step.
    const own = `u:${person.username}`;
    await house.db.primary.run(
      "UPDATE identities SET state = 'reserved', created_at = :old WHERE value = :own",
      { own, old },
    );
    expect(await house.outcome("POST", "/auth/register", { body: dead })).toBe("409 USERNAME_TAKEN");
    await sweepIdentities(house.db.primary, Date.now());
    expect(await house.outcome("POST", "/auth/register", { body: dead })).toBe("201");
    expect(await house.db.primary.one("SELECT state FROM identities WHERE value = :own", { own })).toEqual({
      state: "active",
    });
  });
});

describe("a registration that stands still for a minute after its row", () => {
  const slow = (meanwhile: (values: string[]) => Promise<void>) => {
    const { username, email } = form();
    const values = [`u:${username}`, `e:${email}`];
    const account = {
      id: newId(),
      username,
      email,
      passwordHash: "-",
      passwordOnce: 0,
      displayName: null,
    } as const;
    const made = createAccount(
      new SlowDatabase(house.db, () => meanwhile(values)),
      { ...account, locale: "en", acceptedTerms: false },
      async () => undefined,
    );
    return { id: account.id, values, made };
  };
  const drop = (values: string[]) =>
    house.db.primary.run("DELETE FROM identities WHERE value IN (:values)", { values });
  const stateOf = (values: string[]) =>
    house.db.primary.all(
      "SELECT value, user_id FROM identities WHERE value IN (:values) ORDER BY value DESC",
      { values },
    );

  test("takes its names again when they were swept", async () => {
    const { id, values, made } = slow(async (own) => void (await drop(own)));
    await made;
    expect(await stateOf(values)).toEqual(values.map((value) => ({ value, user_id: id })));
  });

  test("is undone when somebody else has one of them", async () => {
    const other = newId();
    const { id, values, made } = slow(async (own) => {
      await drop(own);
      const row = { value: own[1] as string, user_id: other, state: "active", created_at: 1 };
      await house.db.primary.insertNew("identities", row);
    });
    await expect(made).rejects.toMatchObject({ type: "UNAVAILABLE" });
    expect(await stateOf(values)).toEqual([{ value: values[1], user_id: other }]);
    expect(await house.db.primary.one("SELECT id FROM users WHERE id = :id", { id })).toBeNull();
  });
});

describe("signing in", () => {
  test("by user name or e-mail, in any case", async () => {
    const person = await house.federation.register(`u${unique()}`);
    for (const name of [person.username, person.username.toUpperCase(), person.email.toUpperCase()]) {
      const { status, body } = await house.call<Tokens>("POST", "/auth/login", {
        body: { login: name, password: person.password },
      });
      expect(status).toBe(200);
      expect(body.user["id"]).toBe(person.id);
      expect((await house.call("GET", "/users/me", { token: body.accessToken })).status).toBe(200);
    }
  });

  test("a wrong password and an unknown account get the same answer", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const wrong = await login(person.username, "not the password");
    const unknown = await login(`u${unique()}`, "not the password");
    const strip = ({ status, body }: typeof wrong) => ({ status, body: { ...body, requestId: "" } });
    expect(strip(wrong)).toEqual(strip(unknown));
    expect(wrong).toMatchObject({ status: 401, body: { code: "INVALID_CREDENTIALS" } });
    expect(wrong.headers["www-authenticate"]).toBe(unknown.headers["www-authenticate"]);
  });

  test("who is suspended learns it by the right password alone", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const { token } = await house.federation.admin();
    const body = { status: "suspended", reason: "A test." };
    await house.federation.ok("PUT", `/users/${person.id}/status`, { token, body });
    expect((await login(person.username, "not the password")).body.code).toBe("INVALID_CREDENTIALS");
    expect(await login(person.username, person.password)).toMatchObject({
      status: 403,
      body: { code: "ACCOUNT_SUSPENDED" },
    });
  });
});
