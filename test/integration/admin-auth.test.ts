/** Administrators' sessions: who gets one, what it is good for, and how it ends. */
import { Database } from "../../lib/database.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { makeAdmin } from "../../services/users/admins.ts";
import { ADMIN, startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { unique } from "../support/users.ts";

let office: Office;

beforeAll(async () => {
  office = await startOffice({ services: [{ name: "clubs", actions: { presidedBy: () => [] } }] });
}, 60_000);
afterAll(async () => office?.stop());

type Somebody = Awaited<ReturnType<Office["another"]>>;
const SESSION = ["GET", "/admin/auth/session"] as const;

const signIn = (login: string, password: string): Promise<string> =>
  office.outcome("POST", "/admin/auth/login", { body: { login, password } });
const seen = ({ token }: Administrator): Promise<string> => office.outcome(...SESSION, { token });
const open = ({ username, password }: Somebody): Promise<Administrator> => office.admin(username, password);

async function publicOutcome(method: string, target: string, options: object): Promise<string> {
  const { status, body } = await office.public.call<{ code?: string } | undefined>(method, target, options);
  return status < 400 ? String(status) : `${status} ${body?.code}`;
}

/** The database of users, to set things back that take long. */
function usersDb(): Database {
  return (office.broker.getLocalService("users") as unknown as DatabaseMethods).db;
}

describe("signing in", () => {
  test("an administrator signs in, sees the session and signs out", async () => {
    const admin = await office.admin();
    const { token } = admin;
    const { status, headers, body } = await office.call<{ expiresAt: string }>(...SESSION, { token });
    expect(status).toBe(200);
    expect(headers["cache-control"]).toBe("private, no-cache");
    expect(body).toMatchObject({ user: { id: admin.id }, totp: false, recoveryCodesLeft: 0 });
    const minutes = (Date.parse(body.expiresAt) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(28);
    expect(minutes).toBeLessThanOrEqual(30);
    expect(await office.outcome("POST", "/admin/auth/logout", { token })).toBe("204");
    expect(await seen(admin)).toBe("401 INVALID_TOKEN");
  });

  test("one session ends without the others", async () => {
    const [one, other] = [await office.admin(), await office.admin()];
    await office.ok("POST", "/admin/auth/logout", { token: one.token });
    expect([await seen(one), await seen(other)]).toEqual(["401 INVALID_TOKEN", "200"]);
  });

  test("who is no administrator has a wrong password, whatever their password", async () => {
    const person = await office.public.register();
    expect(await signIn(person.username, person.password)).toBe("401 INVALID_CREDENTIALS");
    expect(await signIn(person.username, "a wrong passphrase")).toBe("401 INVALID_CREDENTIALS");
    expect(await signIn(`nobody-${unique()}`, person.password)).toBe("401 INVALID_CREDENTIALS");
  });

  test("their tries are counted like wrong passwords: the fifth locks, on both gateways", async () => {
    const person = await office.public.register();
    for (let n = 0; n < 5; n++)
      expect(await signIn(person.username, person.password)).toBe("401 INVALID_CREDENTIALS");
    expect(await signIn(person.username, person.password)).toBe("429 ACCOUNT_LOCKED");
    const body = { login: person.username, password: person.password };
    expect(await publicOutcome("POST", "/auth/login", { body })).toBe("429 ACCOUNT_LOCKED");
  });

  test("wrong passwords on the public gateway lock the admin gateway too", async () => {
    const admin = await office.another();
    const body = { login: admin.username, password: "a wrong passphrase" };
    for (let n = 0; n < 3; n++)
      expect(await publicOutcome("POST", "/auth/login", { body })).toBe("401 INVALID_CREDENTIALS");
    for (let n = 0; n < 2; n++)
      expect(await signIn(admin.username, body.password)).toBe("401 INVALID_CREDENTIALS");
    const { headers, body: problem } = await office.call("POST", "/admin/auth/login", {
      body: { login: admin.username, password: admin.password },
    });
    expect(problem).toMatchObject({ code: "ACCOUNT_LOCKED" });
    expect(Number(headers["retry-after"])).toBeGreaterThan(800);
  });

  test("guesses at the same time are counted each", async () => {
    const admin = await office.another();
    const tries = await Promise.all(
      Array.from({ length: 12 }, () => signIn(admin.username, "a wrong passphrase")),
    );
    expect(tries.filter((each) => each === "401 INVALID_CREDENTIALS").length).toBeLessThanOrEqual(5);
    expect(await signIn(admin.username, admin.password)).toBe("429 ACCOUNT_LOCKED");
  });

  test("a one-time password is good on the public gateway alone, and is not used up here", async () => {
    const email = `${unique()}@example.edu`;
    const { username } = await makeAdmin(usersDb(), email, "a one-time passphrase", true);
    expect(await signIn(email, "a one-time passphrase")).toBe("401 INVALID_CREDENTIALS");
    const first = await office.public.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: email, password: "a one-time passphrase" },
    });
    const body = { currentPassword: "a one-time passphrase", newPassword: "one of my own choice" };
    await office.public.ok("POST", "/auth/password", { token: first.accessToken, body });
    expect(await signIn(String(username), "one of my own choice")).toBe("200");
  });

  test("what is wrong with the form is told by field", async () => {
    const outcome = (body: object) => office.outcome("POST", "/admin/auth/login", { body });
    expect(await outcome({ login: ADMIN.email })).toBe("422 VALIDATION_FAILED password=REQUIRED");
    expect(await outcome({ login: ADMIN.email, password: "x", role: "admin" })).toBe(
      "422 VALIDATION_FAILED role=UNKNOWN_FIELD",
    );
  });
});

describe("a session ends", () => {
  test("when the role is taken away, and stays ended when it is given back", async () => {
    const admin = await office.another();
    const session = await open(admin);
    await office.give(admin.id, ["moderator"]);
    expect(await seen(session)).toBe("401 INVALID_TOKEN");
    await office.give(admin.id, ["admin"]);
    expect(await seen(session)).toBe("401 INVALID_TOKEN");
    expect(await seen(await open(admin))).toBe("200");
  });

  test("when the account is suspended, which the right password is told", async () => {
    const admin = await office.another();
    const session = await open(admin);
    const { token } = await office.public.admin();
    await office.public.ok("PUT", `/users/${admin.id}/status`, {
      token,
      body: { status: "suspended", reason: "A test" },
    });
    expect(await seen(session)).toBe("401 INVALID_TOKEN");
    expect(await signIn(admin.username, admin.password)).toBe("403 ACCOUNT_SUSPENDED");
    expect(await signIn(admin.username, "a wrong passphrase")).toBe("401 INVALID_CREDENTIALS");
  });

  test("when the password is changed, or set by an operator", async () => {
    const admin = await office.another();
    const session = await open(admin);
    const own = await office.public.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: admin.username, password: admin.password },
    });
    const next = { ...admin, password: "another long passphrase" };
    const body = { currentPassword: admin.password, newPassword: next.password };
    await office.public.ok("POST", "/auth/password", { token: own.accessToken, body });
    expect(await seen(session)).toBe("401 INVALID_TOKEN");
    const again = await open(next);
    await makeAdmin(usersDb(), admin.email, "set by an operator", false);
    expect(await seen(again)).toBe("401 INVALID_TOKEN");
  });

  test("when the account is erased", async () => {
    const admin = await office.another();
    const session = await open(admin);
    const own = await office.public.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: admin.username, password: admin.password },
    });
    await office.public.ok("DELETE", "/users/me", {
      token: own.accessToken,
      body: { password: admin.password },
    });
    expect(await seen(session)).toBe("401 INVALID_TOKEN");
  });

  test("after half an hour", async () => {
    const admin = await office.admin();
    await office.db.primary.run("UPDATE admin_sessions SET expires_at = :now", { now: Date.now() });
    expect(await seen(admin)).toBe("401 INVALID_TOKEN");
  });

  test("when its token is expired, though the database may say otherwise", async () => {
    const service = office.broker.getLocalService("adminAuth") as unknown as { now: () => number };
    const usual = service.now;
    service.now = () => Date.now() - 31 * 60_000;
    const admin = await office.admin();
    service.now = usual;
    await office.db.primary.run("UPDATE admin_sessions SET expires_at = :later", {
      later: Date.now() + 3_600_000,
    });
    expect(await seen(admin)).toBe("401 INVALID_TOKEN");
  });

  test("for all that somebody has, when another service says so", async () => {
    const admin = await office.another();
    const sessions = [await open(admin), await open(admin)];
    expect(await office.broker.call("adminAuth.endSessionsOf", { user: admin.id })).toEqual({ ended: 2 });
    for (const each of sessions) expect(await seen(each)).toBe("401 INVALID_TOKEN");
    expect(await office.broker.call("adminAuth.endSessionsOf", { user: admin.id })).toEqual({ ended: 0 });
  });
});

describe("tokens", () => {
  test("of one gateway are refused by the other", async () => {
    const [admin, same] = [await office.admin(), await office.public.admin()];
    expect(await office.outcome(...SESSION, { token: same.token })).toBe("401 INVALID_TOKEN");
    expect(await publicOutcome("GET", "/users/me", { token: admin.token })).toBe("401 INVALID_TOKEN");
    // Also where none is needed.
    expect(await publicOutcome("GET", "/.well-known/jwks.json", { token: admin.token })).toBe(
      "401 INVALID_TOKEN",
    );
    const body = { login: ADMIN.email, password: ADMIN.password };
    expect(await office.outcome("POST", "/admin/auth/login", { token: same.token, body })).toBe(
      "401 INVALID_TOKEN",
    );
  });

  test("of one gateway are refused by the actions of the other, whoever sends the call", async () => {
    const [admin, same] = [await office.admin(), await office.public.admin()];
    const call = (action: string, passport?: string): Promise<string> =>
      office.broker.call(action, {}, { headers: { ...(passport !== undefined && { passport }) } }).then(
        () => "let in",
        (error: { type?: string }) => String(error.type),
      );
    expect(await call("adminAuth.session", same.token)).toBe("INVALID_TOKEN");
    expect(await call("users.me", admin.token)).toBe("INVALID_TOKEN");
    expect(await call("adminAuth.session")).toBe("UNAUTHENTICATED");
    // And are good where they belong.
    expect(await call("adminAuth.session", admin.token)).toBe("let in");
    expect(await call("users.me", same.token)).toBe("let in");
  });

  test("without one, with nonsense, and with another's signature: 401", async () => {
    const { token } = await office.admin();
    const [head, body, signature = ""] = token.split(".");
    const forged = `${head}.${body}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    expect(await office.outcome(...SESSION)).toBe("401 UNAUTHENTICATED");
    expect(await office.outcome(...SESSION, { token: "nonsense" })).toBe("401 INVALID_TOKEN");
    expect(await office.outcome(...SESSION, { token: forged })).toBe("401 INVALID_TOKEN");
  });
});

test("while users is away nobody comes in, and who is in waits", async () => {
  const admin = await office.admin();
  const service = office.broker.getLocalService("credentials");
  const schema = service.originalSchema ?? service.schema;
  await office.broker.destroyService(service);
  expect([await seen(admin), await signIn(ADMIN.email, ADMIN.password)]).toEqual([
    "503 UNAVAILABLE",
    "503 UNAVAILABLE",
  ]);
  office.broker.createService(schema);
  expect(await eventually(async () => ((await seen(admin)) === "200" ? "200" : undefined))).toBe("200");
});
