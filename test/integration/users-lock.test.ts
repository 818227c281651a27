/** The lock after wrong passwords. */
import { sweepOften } from "../../services/users/sweeps.ts";
import { eventually } from "../support/federation.ts";
import { startHouse, unique } from "../support/users.ts";
import type { House, Problem } from "../support/users.ts";

let house: House;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.stop());

const login = (name: string, password: string) =>
  house.call<Problem>("POST", "/auth/login", { body: { login: name, password } });

describe("the lock", () => {
  const fail = async (name: string, times: number) => {
    for (let i = 0; i < times; i++) expect((await login(name, "not the password")).status).toBe(401);
  };

  test("after five failures, by whatever name, also for the right password; told once by mail", async () => {
    const person = await house.federation.register(`u${unique()}`);
    await fail(person.username, 3);
    await fail(person.email, 2);
    const locked = await login(person.email, person.password);
    expect(locked).toMatchObject({ status: 429, body: { code: "ACCOUNT_LOCKED" } });
    expect(Number(locked.headers["retry-after"])).toBeGreaterThan(890);
    expect(Number(locked.headers["retry-after"])).toBeLessThanOrEqual(900);
    // Open sessions go on.
    expect((await house.call("GET", "/users/me", { token: person.token })).status).toBe(200);
    const [mail, ...others] = await house.mails(person.email);
    expect(mail?.subject).toBe("Your account is locked for a while");
    expect(others).toEqual([]);
    // A quarter of an hour later the oldest failure counts no longer; one more, and it is locked again.
    const passed = await shift(person.id, 15 * 60_000);
    expect(passed).toBe(1);
    await fail(person.username, 5);
    await house.mails(person.email, 2);
  });

  test("for an account that is not there too", async () => {
    const name = `u${unique()}`;
    await fail(name.toUpperCase(), 5);
    expect((await login(name, "not the password")).body.code).toBe("ACCOUNT_LOCKED");
    const [row] = await house.db.primary.all<{ account: string }>(
      "SELECT account FROM login_failures ORDER BY updated_at DESC LIMIT 1",
    );
    expect(row?.account).toMatch(/^[0-9a-f]{64}$/);
  });

  test("attempts at the same time count", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => login(person.username, "not the password")),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
  });

  test("a success ends the count, and failures of long ago do not count", async () => {
    const person = await house.federation.register(`u${unique()}`);
    await fail(person.username, 4);
    expect((await login(person.username, person.password)).status).toBe(200);
    await fail(person.username, 4);
    await shift(person.id, 15 * 60_000);
    await fail(person.username, 4);
    expect((await login(person.username, person.password)).status).toBe(200);
  });

  test("a password reset ends it", async () => {
    const person = await house.federation.register(`u${unique()}`);
    await fail(person.username, 5);
    await house.call("POST", "/auth/password/forgot", { body: { email: person.email } });
    const token = await eventually(
      async () => (await house.mails(person.email, 2)).find((mail) => mail.token)?.token,
    );
    const newPassword = "another long passphrase";
    expect(await house.outcome("POST", "/auth/password/reset", { body: { token, newPassword } })).toBe("204");
    expect((await login(person.username, newPassword)).status).toBe(200);
  });

  test("a busy node counts no failure", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const names = Array.from({ length: 150 }, (_, i) => `nobody-${i}-${unique()}`);
    const answers = await Promise.all(
      [...names, person.username].map((name) =>
        house.federation.once<Problem>("POST", "/auth/login", {
          body: { login: name, password: "not the password" },
        }),
      ),
    );
    const busy = answers.filter(({ status }) => status === 503);
    expect(busy.length).toBeGreaterThan(0);
    expect(busy[0]).toMatchObject({ body: { code: "OVERLOADED" } });
    const rows = await house.db.primary.all<{ attempts: string }>(
      "SELECT attempts FROM login_failures WHERE attempts = '[]'",
    );
    expect(rows.length).toBeGreaterThanOrEqual(busy.length);
  });

  test("old counts are swept", async () => {
    await sweepOften(house.db.primary, Date.now() + 16 * 60_000);
    expect(await house.db.primary.number("SELECT COUNT(*) AS n FROM login_failures")).toBe(0);
  });

  /** As if so much time had passed since an account's failures. */
  async function shift(account: string, milliseconds: number): Promise<number> {
    const row = await house.db.primary.one<{ attempts: string; told_at: number }>(
      "SELECT attempts, told_at FROM login_failures WHERE account = :account",
      { account },
    );
    const attempts = (JSON.parse(row?.attempts ?? "[]") as number[]).map((at) => at - milliseconds);
    return house.db.primary.run(
      "UPDATE login_failures SET attempts = :attempts, told_at = :told WHERE account = :account",
      { account, attempts: JSON.stringify(attempts), told: Number(row?.told_at) - milliseconds },
    );
  }
});
