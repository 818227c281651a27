/** A password that is asked for again, and what a new one puts an end to. */
import { setPassword } from "../../services/users/admins.ts";
import type { Person } from "../support/federation.ts";
import { eventually } from "../support/eventually.ts";
import { signIn, startHouse, unique } from "../support/users.ts";
import type { House, Problem } from "../support/users.ts";

const NEW = "another long passphrase";

let house: House;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.stop());

const someone = () => house.federation.register(`u${unique()}`);
const login = (person: Person, password = person.password) =>
  house.outcome("POST", "/auth/login", { body: { login: person.username, password } });
const change = ({ token }: Pick<Person, "token">, currentPassword: string, newPassword = NEW) =>
  house.call<Problem>("POST", "/auth/password", { token, body: { currentPassword, newPassword } });
const ask = ({ token }: Pick<Person, "token">, password: string, email = `n${unique()}@example.edu`) =>
  house.call<Problem>("POST", "/users/me/email", { token, body: { email, password } });
const erase = ({ token }: Pick<Person, "token">, password: string) =>
  house.call<Problem>("DELETE", "/users/me", { token, body: { password } });

/** Resets the password by the mail. */
async function reset(person: Person): Promise<string> {
  const { email } = person;
  await house.outcome("POST", "/auth/password/forgot", { body: { email } });
  const mail = await eventually(async () =>
    (await house.mails(email)).find(({ subject }) => subject === "Reset your password"),
  );
  return house.outcome("POST", "/auth/password/reset", { body: { token: mail.token, newPassword: NEW } });
}

describe("a change of e-mail that was asked for before", () => {
  const confirm = (token: string) => house.outcome("POST", "/auth/email/confirm", { body: { token } });
  const address = async ({ id }: Person) =>
    (await house.db.primary.one<{ email: string }>("SELECT email FROM users WHERE id = :id", { id }))?.email;

  /** Somebody's account, and the token that was mailed to an address of somebody else. */
  async function pending(): Promise<{ person: Person; email: string; token: string }> {
    const person = await someone();
    const email = `n${unique()}@example.edu`;
    expect((await ask(person, person.password, email)).status).toBe(202);
    return { person, email, token: (await house.mails(email))[0]?.token as string };
  }

  async function isVoid({ person, token }: { person: Person; token: string }): Promise<void> {
    expect(await confirm(token)).toBe("422 INVALID_TOKEN");
    expect(await address(person)).toBe(person.email);
    expect(await login({ ...person, username: person.email }, NEW)).toBe("200");
  }

  test("is confirmed while the password stays", async () => {
    const { person, email, token } = await pending();
    expect(await confirm(token)).toBe("204");
    expect(await address(person)).toBe(email);
  });

  test("ends with a changed password, and can be asked for again", async () => {
    const before = await pending();
    const { person } = before;
    expect((await change(person, person.password)).status).toBe(204);
    await isVoid(before);
    expect((await ask(person, NEW, before.email)).status).toBe(202);
    const again = (await house.mails(before.email, 2)).find(({ token }) => token !== before.token);
    expect(await confirm(again?.token as string)).toBe("204");
    expect(await address(person)).toBe(before.email);
  });

  test("ends with a reset", async () => {
    const before = await pending();
    expect(await reset(before.person)).toBe("204");
    await isVoid(before);
  });

  test.each([false, true])("ends with a password set by an operator (administrator: %s)", async (admin) => {
    const before = await pending();
    await setPassword(house.db, before.person.id, NEW, { once: true, admin });
    await isVoid(before);
  });
});

describe("wrong passwords of a person who is signed in", () => {
  const tries = [
    ["a change of password", change],
    ["a change of e-mail", ask],
    ["an erasure", erase],
  ] as const;
  const fail = async (person: Person, times: number) => {
    for (let i = 0; i < times; i++) {
      const { status, body } = await (tries[i % tries.length] as (typeof tries)[number])[1](person, "wrong");
      expect({ status, code: body.code }).toEqual({ status: 403, code: "WRONG_PASSWORD" });
    }
  };

  test.each(tries)("%s: after five, wherever, the right one is refused too", async (_name, attempt) => {
    const person = await someone();
    await fail(person, 5);
    const locked = await attempt(person, person.password);
    expect(locked).toMatchObject({ status: 429, body: { code: "ACCOUNT_LOCKED" } });
    expect(Number(locked.headers["retry-after"])).toBeGreaterThan(890);
    expect(Number(locked.headers["retry-after"])).toBeLessThanOrEqual(900);
    expect((await house.call("GET", "/users/me", person)).status).toBe(200);
  });

  test("keep nobody from signing in, and wrong sign-ins nobody from a new password", async () => {
    const person = await someone();
    await fail(person, 5);
    for (let i = 0; i < 4; i++) expect(await login(person, "wrong")).toBe("401 INVALID_CREDENTIALS");
    expect(await login(person)).toBe("200");
    // A sign-in takes back what was wrong at signing in alone.
    expect((await change(person, person.password)).status).toBe(429);
    const other = await someone();
    for (let i = 0; i < 5; i++) await login(other, "wrong");
    expect(await login(other)).toBe("429 ACCOUNT_LOCKED");
    expect((await change(other, other.password)).status).toBe(204);
  });

  test("a right one in between does not count, and takes none of the wrong ones back", async () => {
    const person = await someone();
    await fail(person, 4);
    for (let i = 0; i < 3; i++) expect((await ask(person, person.password)).status).toBe(202);
    await fail(person, 1);
    expect((await ask(person, person.password)).status).toBe(429);
  });

  test("at the same time count too", async () => {
    const person = await someone();
    const answers = await Promise.all(Array.from({ length: 12 }, () => change(person, "wrong")));
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
  });

  test("are forgotten with a reset of the password, and with the account", async () => {
    const person = await someone();
    await fail(person, 5);
    expect(await reset(person)).toBe("204");
    const { token } = await signIn(house, { ...person, password: NEW });
    await fail({ ...person, token }, 4);
    expect((await erase({ token }, NEW)).status).toBe(204);
    const counts = await house.db.primary.all<{ account: string }>("SELECT account FROM login_failures");
    expect(counts.filter(({ account }) => account.includes(person.id))).toEqual([]);
  });
});
