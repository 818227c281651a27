/** Changing and resetting passwords, changing the e-mail, and the mails for it. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { newId } from "../../lib/ids.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { confirmEmail } from "../../services/users/change-email.ts";
import { eventually } from "../support/federation.ts";
import type { Person } from "../support/federation.ts";
import { signIn, SlowDatabase, startHouse, unique, watchStatements } from "../support/users.ts";
import type { House, Problem } from "../support/users.ts";

const NEW = "another long passphrase";

let house: House;
beforeAll(async () => {
  house = await startHouse({ EMAIL_DOMAINS: "example.edu,example.org" });
});
afterAll(() => house.stop());

const someone = () => house.federation.register(`u${unique()}`);
const login = (person: Person, password = person.password) =>
  house.outcome("POST", "/auth/login", { body: { login: person.username, password } });
const me = (token: string) => house.outcome("GET", "/users/me", { token });
const refused = (token: string) =>
  eventually(async () => ((await me(token)) === "401 INVALID_TOKEN" ? true : undefined), 1_500);
/** As if an account's tokens had been issued so long ago. */
const age = (user: string, milliseconds: number) =>
  house.db.primary.run(
    "UPDATE account_tokens SET expires_at = expires_at - :milliseconds WHERE user_id = :user",
    {
      user,
      milliseconds,
    },
  );

describe("changing the password", () => {
  test("ends every other session", async () => {
    const person = await someone();
    const other = await signIn(house, person);
    const body = { currentPassword: person.password, newPassword: NEW };
    expect(await house.outcome("POST", "/auth/password", { token: person.token, body })).toBe("204");
    await refused(other.token);
    expect(await me(person.token)).toBe("200");
    expect(
      await house.outcome("POST", "/auth/refresh", { body: { refreshToken: person.refreshToken } }),
    ).toBe("200");
    expect(await login(person)).toBe("401 INVALID_CREDENTIALS");
    expect(await login(person, NEW)).toBe("200");
  });

  test("refusals", async () => {
    const person = await someone();
    const change = (body: object, token?: string) =>
      house.call<Problem>("POST", "/auth/password", { token, body });
    expect((await change({ currentPassword: "x", newPassword: NEW })).body.code).toBe("UNAUTHENTICATED");
    const wrong = await change({ currentPassword: "not the password", newPassword: NEW }, person.token);
    expect(wrong).toMatchObject({ status: 403, body: { code: "WRONG_PASSWORD" } });
    const weak = await change({ currentPassword: person.password, newPassword: "qwertyuiop" }, person.token);
    expect(weak.body.errors).toEqual([
      expect.objectContaining({ field: "newPassword", code: "COMMON_PASSWORD" }),
    ]);
    expect((await change({}, person.token)).body.code).toBe("VALIDATION_FAILED");
    expect(await login(person)).toBe("200");
  });

  test("a repeat with the same Idempotency-Key is answered as the first", async () => {
    const person = await someone();
    const request = {
      token: person.token,
      body: { currentPassword: person.password, newPassword: NEW },
      headers: { "idempotency-key": unique() },
    };
    expect((await house.call("POST", "/auth/password", request)).status).toBe(204);
    const again = await house.call("POST", "/auth/password", request);
    expect(again.status).toBe(204);
    expect(again.headers["idempotency-replayed"]).toBe("true");
  });

  test("of two at once one wins", async () => {
    const person = await someone();
    const change = (newPassword: string) =>
      house.outcome("POST", "/auth/password", {
        token: person.token,
        body: { currentPassword: person.password, newPassword },
      });
    const outcomes = await Promise.all([change(NEW), change(`${NEW} 2`)]);
    expect(outcomes.toSorted()).toEqual(["204", "403 WRONG_PASSWORD"]);
  });
});

describe("resetting the password", () => {
  const forgot = (email: string) => house.outcome("POST", "/auth/password/forgot", { body: { email } });
  const reset = (token: string, newPassword = NEW) =>
    house.outcome("POST", "/auth/password/reset", { body: { token, newPassword } });

  test("by the token of the mail, once; all sessions end", async () => {
    const person = await someone();
    expect(await forgot(person.email.toUpperCase())).toBe("202");
    const [mail] = await house.mails(person.email);
    expect(mail?.subject).toBe("Reset your password");
    const token = mail?.token as string;
    expect(
      await house.outcome("POST", "/auth/password/reset", { body: { token, newPassword: "short" } }),
    ).toBe("422 VALIDATION_FAILED");
    expect(await reset(token)).toBe("204");
    await refused(person.token);
    expect(await reset(token)).toBe("422 INVALID_TOKEN");
    expect(await login(person, NEW)).toBe("200");
  });

  test("a token is nowhere in the database", async () => {
    const person = await someone();
    await forgot(person.email);
    const token = (await house.mails(person.email))[0]?.token as string;
    const secret = Buffer.from(token, "base64url").subarray(32);
    for (const file of ["users.sqlite", "users.sqlite-wal"].filter(
      () => house.db.sequelize.getDialect() === "sqlite",
    )) {
      const content = readFileSync(path.join(house.dataDir, file));
      for (const form of [secret, secret.toString("hex"), token.slice(-43)])
        expect(content.includes(form)).toBe(false);
    }
    const rows = await house.db.primary.all("SELECT * FROM outbox WHERE user_id = :id", { id: person.id });
    expect(JSON.stringify(rows)).not.toContain(token.slice(-43));
    expect(JSON.stringify(rows)).not.toContain(person.email);
  });

  test("two mails are both good until one is used; a change of password ends them too", async () => {
    const person = await someone();
    await forgot(person.email);
    await forgot(person.email);
    const [first, second] = await house.mails(person.email, 2);
    expect(await reset(second?.token as string)).toBe("204");
    expect(await reset(first?.token as string)).toBe("422 INVALID_TOKEN");
    await forgot(person.email);
    const third = (await house.mails(person.email, 3))
      .map(({ token }) => token)
      .find((token) => ![first?.token, second?.token].includes(token));
    const { token } = await signIn(house, { ...person, password: NEW });
    const body = { currentPassword: NEW, newPassword: `${NEW} again` };
    expect(await house.outcome("POST", "/auth/password", { token, body })).toBe("204");
    expect(await reset(third as string)).toBe("422 INVALID_TOKEN");
  });

  test("after half an hour it is no good", async () => {
    const person = await someone();
    await forgot(person.email);
    const [mail] = await house.mails(person.email);
    await age(person.id, 30 * 60_000);
    expect(await reset(mail?.token as string)).toBe("422 INVALID_TOKEN");
  });

  test("of two with one token one wins", async () => {
    const person = await someone();
    await forgot(person.email);
    const token = (await house.mails(person.email))[0]?.token as string;
    const outcomes = await Promise.all([reset(token), reset(token, `${NEW} 2`)]);
    expect(outcomes.toSorted()).toEqual(["204", "422 INVALID_TOKEN"]);
  });

  test("garbage, and an address that nobody has", async () => {
    expect(await reset("garbage")).toBe("422 INVALID_TOKEN");
    // The same statements, and so the same time; what follows is the relay's.
    const statements = async (email: string) => {
      const seen: string[] = [];
      const stop = watchStatements(house.db, (sql) => seen.push(sql.replace(/; .*/s, "")));
      expect(await forgot(email)).toBe("202");
      stop();
      return seen
        .filter((sql) => /FROM (identities|users)|INTO (account_tokens|outbox)/.test(sql))
        .slice(0, 4);
    };
    const { email } = await someone();
    const known = await statements(email);
    expect(known).toHaveLength(4);
    // Else the statements of sending it stand among those that follow.
    await house.mails(email);
    expect(await statements(`${unique()}@example.edu`)).toEqual(known);
  });

  test("waits while mail is away", async () => {
    const person = await someone();
    const { broker } = house.federation;
    const mail = broker.getLocalService("mail");
    await broker.destroyService(mail);
    await forgot(person.email);
    const { queue } = runtimeOf(broker);
    const held = async () => (Number(await queue?.waiting("auth")) > 0 ? {} : null);
    const inOutbox = () =>
      house.db.primary.one(
        "SELECT last_error FROM outbox WHERE user_id = :id AND type = 'users.mailDue' AND published_at IS NULL AND last_error IS NOT NULL",
        { id: person.id },
      );
    await eventually(async () => (await (queue ? held() : inOutbox())) ?? undefined);
    broker.createService(mail.originalSchema);
    const [late] = await house.mails(person.email);
    expect(await reset(late?.token as string)).toBe("204");
  });
});

describe("changing the e-mail", () => {
  const ask = (person: { token: string }, email: string, password = "a long enough passphrase") =>
    house.outcome("POST", "/users/me/email", { token: person.token, body: { email, password } });
  const confirm = (token: string) => house.outcome("POST", "/auth/email/confirm", { body: { token } });
  const address = () => `n${unique()}@example.org`;
  const tokenOf = async (email: string, count = 1) =>
    (await house.mails(email, count)).at(-1)?.token as string;

  test("a token to the new address, a notice to the old one; then the new one signs in", async () => {
    const person = await someone();
    const email = address();
    expect(await ask(person, email)).toBe("202");
    const [notice] = await house.mails(person.email);
    expect(notice).toMatchObject({ subject: "Your e-mail is about to change", token: "" });
    expect(notice?.text).toContain(email);
    const token = await tokenOf(email);
    expect(await confirm(token)).toBe("204");
    expect(await confirm(token)).toBe("422 INVALID_TOKEN");
    const own = await house.call("GET", "/users/me", { token: person.token });
    expect(own.body).toMatchObject({ email, version: 2 });
    const loginWith = (login: string) =>
      house.outcome("POST", "/auth/login", { body: { login, password: person.password } });
    expect(await loginWith(email)).toBe("200");
    expect(await loginWith(person.email)).toBe("401 INVALID_CREDENTIALS");
    // The old address is free for others.
    const body = { username: `u${unique()}`, email: person.email, password: person.password };
    expect(await house.outcome("POST", "/auth/register", { body })).toBe("201");
  });

  test("a newer token ends the older", async () => {
    const person = await someone();
    const [first, second] = [address(), address()];
    await ask(person, first);
    const old = await tokenOf(first);
    await ask(person, second);
    expect(await confirm(old)).toBe("422 INVALID_TOKEN");
    expect(await confirm(await tokenOf(second))).toBe("204");
  });

  test("refusals", async () => {
    const person = await someone();
    expect(await ask(person, address(), "not the password")).toBe("403 WRONG_PASSWORD");
    expect(await ask(person, "a@elsewhere.example")).toBe("422 EMAIL_DOMAIN");
    expect(await ask(person, "nonsense")).toBe("422 VALIDATION_FAILED");
    expect(await house.outcome("POST", "/users/me/email", { body: { email: "a@b", password: "x" } })).toBe(
      "401 UNAUTHENTICATED",
    );
    expect(await confirm("garbage")).toBe("422 INVALID_TOKEN");
    // A token for another thing.
    await house.outcome("POST", "/auth/password/forgot", { body: { email: person.email } });
    expect(await confirm((await house.mails(person.email))[0]?.token as string)).toBe("422 INVALID_TOKEN");
  });

  test("an address that somebody has: 202, and 409 at the end", async () => {
    const [person, other] = [await someone(), await someone()];
    expect(await ask(person, other.email)).toBe("202");
    expect(await confirm(await tokenOf(other.email))).toBe("409 EMAIL_TAKEN");
    expect(await house.outcome("GET", "/users/me", { token: other.token })).toBe("200");
  });

  test("too late", async () => {
    const person = await someone();
    const email = address();
    await ask(person, email);
    const token = await tokenOf(email);
    await age(person.id, 30 * 60_000);
    expect(await confirm(token)).toBe("422 INVALID_TOKEN");
  });

  test("of two people who want one address one gets it; of two tries with one token one works", async () => {
    const [one, two] = [await someone(), await someone()];
    const email = address();
    await ask(one, email);
    await ask(two, email);
    const tokens = (await house.mails(email, 2)).map(({ token }) => token);
    const outcomes = await Promise.all([...tokens, ...tokens].map(confirm));
    expect(outcomes.filter((outcome) => outcome === "204")).toHaveLength(1);
    const rows = await house.db.primary.all("SELECT user_id, state FROM identities WHERE value = :value", {
      value: `e:${email}`,
    });
    expect(rows).toEqual([expect.objectContaining({ state: "active" })]);
  });

  test("one that stands still for a minute, and somebody else takes the address: the old one stays", async () => {
    const person = await someone();
    const email = address();
    await ask(person, email);
    const token = await tokenOf(email);
    const value = `e:${email}`;
    const slow = new SlowDatabase(house.db, async () => {
      await house.db.primary.run("DELETE FROM identities WHERE value IN (:values)", {
        values: [value, `e:${person.email}`],
      });
      await house.db.primary.insertNew("identities", {
        value,
        user_id: newId(),
        state: "active",
        created_at: 1,
      });
    });
    await expect(confirmEmail(slow, token, async () => undefined)).rejects.toMatchObject({
      type: "EMAIL_TAKEN",
    });
    expect((await house.call("GET", "/users/me", person)).body).toMatchObject({ email: person.email });
    expect(await login({ ...person, username: person.email })).toBe("200");
  });

  test("another spelling of the same address", async () => {
    const person = await someone();
    const email = person.email.toUpperCase();
    await ask(person, email);
    const mails = await house.mails(email);
    expect(await confirm(mails[0]?.token as string)).toBe("204");
    expect((await house.call("GET", "/users/me", { token: person.token })).body).toMatchObject({ email });
    expect(await login(person)).toBe("200");
  });
});
