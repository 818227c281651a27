/** The first administrator, `npm run admin`, and the keys that sign access tokens. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import type { JwkSet } from "../../lib/keys.ts";
import { ensureFirstAdmin } from "../../services/users/admins.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { launch, ready } from "../support/node-process.ts";
import { startHouse, unique } from "../support/users.ts";
import type { House } from "../support/users.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
const NEW = "another long passphrase";

let folder: string;
let house: House | null = null;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "users-admins-"));
});
afterEach(async () => {
  await house?.stop();
  house = null;
  rmSync(folder, { recursive: true, force: true });
});

async function open(env: Record<string, string> = {}): Promise<House> {
  await house?.stop();
  house = await startHouse({ DATA_DIR: folder, ...env });
  return house;
}

async function close(): Promise<void> {
  await house?.stop();
  house = null;
}

/** The script as an operator runs it. */
function admin(...args: string[]): Promise<{ code: number; out: string; err: string; password: string }> {
  const env = { PATH: process.env["PATH"] ?? "", DATA_DIR: folder };
  return new Promise((resolve) => {
    execFile(process.execPath, ["scripts/admin.ts", ...args], { cwd: ROOT, env }, (error, out, err) => {
      const password = /One-time password {2}(\S+)/.exec(out)?.[1] ?? "";
      resolve({ code: Number(error?.code ?? 0), out, err, password });
    });
  });
}

const nodeEnv = (env: Record<string, string> = {}) => ({
  PATH: process.env["PATH"] ?? "",
  DATA_DIR: folder,
  HEALTH_PORT: "0",
  LOG_LEVEL: "info",
  LOG_FORMAT: "json",
  ...env,
});

/** What a node says that does not start. */
async function refusal(env: Record<string, string> = {}): Promise<string> {
  const node = launch("scripts/node.ts", "users", nodeEnv(env));
  expect(await node.exited).toBe(1);
  const text = node.log.join("\n");
  expect(text).not.toMatch(/\n\s+at /);
  return text;
}

const login = (at: House, name: string, password: string) =>
  at.call<{ accessToken: string }>("POST", "/auth/login", { body: { login: name, password } });
const isAdmin = async (at: House, token: string) => (await at.outcome("GET", "/users", { token })) === "200";

describe("npm run admin", () => {
  test("makes an administrator on an empty store, with a password for one sign-in", async () => {
    const made = await admin("create", "li.ming@campus.example");
    expect(made).toMatchObject({ code: 0, err: "" });
    expect(made.out).toContain("li.ming");
    // The first start makes no other one then.
    const at = await open({ ADMIN_EMAIL: "", ADMIN_PASSWORD: "" });
    const first = await login(at, "li.ming@campus.example", made.password);
    const token = first.body.accessToken;
    expect(first.status).toBe(200);
    expect(await isAdmin(at, token)).toBe(true);
    expect((await at.federation.ok<{ items: object[] }>("GET", "/users", { token })).items).toHaveLength(1);
    expect((await login(at, "li.ming", made.password)).status).toBe(401);
    const body = { currentPassword: made.password, newPassword: NEW };
    expect(await at.outcome("POST", "/auth/password", { token, body })).toBe("204");
    expect((await login(at, "li.ming", NEW)).status).toBe(200);
    expect((await login(at, "li.ming", NEW)).status).toBe(200);
  });

  test("makes one of an account that is there, and lets one back in who is locked out", async () => {
    const person = await (await open()).federation.register(`u${unique()}`);
    await close();
    const made = await admin("create", person.email.toUpperCase());
    expect(made.code).toBe(0);
    let at = await open();
    expect(await at.outcome("POST", "/auth/refresh", { body: { refreshToken: person.refreshToken } })).toBe(
      "401 INVALID_TOKEN",
    );
    expect((await login(at, person.username, person.password)).status).toBe(401);
    expect(await isAdmin(at, (await login(at, person.username, made.password)).body.accessToken)).toBe(true);
    for (let i = 0; i < 5; i++) await login(at, person.username, "not the password");
    expect((await login(at, person.username, "not the password")).status).toBe(429);
    await close();
    const reset = await admin("reset", person.username);
    at = await open();
    expect((await login(at, person.username, reset.password)).status).toBe(200);
  });

  test("says what is wrong", async () => {
    const usage = /Usage: npm run admin/;
    expect(await admin()).toMatchObject({ code: 1, err: expect.stringMatching(usage) as string });
    expect(await admin("create")).toMatchObject({ code: 1, err: expect.stringMatching(usage) as string });
    expect(await admin("create", "li")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no e-mail/) as string,
    });
    const unknown = await admin("reset", "a@example.edu");
    expect(unknown).toMatchObject({ code: 1, err: "There is no account a@example.edu.\n" });
    await open();
    const busy = await admin("create", "b@example.edu");
    expect(busy.code).toBe(1);
    expect(busy.err).toMatch(/in use|uses|open/);
    expect(busy.err).not.toMatch(/\n\s+at /);
  });

  test("prints new keys", async () => {
    const { out } = await admin("keys");
    expect(parseKeySet(out, "JWT_KEYS")[0].algorithm).toBe("RS256");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("the first administrator", () => {
  test("without ADMIN_EMAIL has a random password, which is printed once", async () => {
    const start = async () => {
      const node = launch("scripts/node.ts", "users", nodeEnv());
      try {
        await ready(node);
      } finally {
        node.kill("SIGTERM");
        await node.exited;
      }
      return node.log.join("\n");
    };
    const first = await start();
    const password = /Password {3}(\S+)/.exec(first)?.[1] as string;
    const name = /User name {2}(\S+)/.exec(first)?.[1] as string;
    expect(name).toBe("admin");
    const logged = first.split("\n").filter((line) => line.startsWith("{"));
    expect(logged.join("\n")).not.toContain(password);
    expect(await start()).not.toContain("Password");
    const at = await open();
    expect(await isAdmin(at, (await login(at, name, password)).body.accessToken)).toBe(true);
  });

  test("of ADMIN_EMAIL is made once; a later password changes nothing", async () => {
    const email = "office@elsewhere.example";
    const env = { ADMIN_EMAIL: email, ADMIN_PASSWORD: "the first passphrase", EMAIL_DOMAINS: "example.edu" };
    expect((await login(await open(env), email, env.ADMIN_PASSWORD)).status).toBe(200);
    const at = await open({ ...env, ADMIN_PASSWORD: "the second passphrase" });
    expect((await login(at, email, "the second passphrase")).status).toBe(401);
    expect((await login(at, "office", env.ADMIN_PASSWORD)).status).toBe(200);
  });

  test("is one, however many nodes start at once", async () => {
    const at = await open();
    const { settings } = runtimeOf(at.federation.broker);
    await at.db.primary.run("DELETE FROM user_roles");
    const other = { ...settings, adminEmail: "new@example.edu" };
    await Promise.all([1, 2, 3, 4].map(() => ensureFirstAdmin(at.db, other, () => undefined)));
    expect(await at.db.primary.number("SELECT COUNT(*) AS n FROM user_roles")).toBe(1);
    expect(await at.db.primary.number("SELECT COUNT(*) AS n FROM users")).toBe(2);
  });

  test("has no common password", async () => {
    const env = { ADMIN_EMAIL: "a@example.edu", ADMIN_PASSWORD: "1234567890" };
    expect(await refusal(env)).toMatch(/ADMIN_PASSWORD is .*common/);
  });
});

describe("signing keys", () => {
  const file = () => path.join(folder, "jwt-keys.json");
  const kidsOf = async (at: House) =>
    (await at.federation.ok<JwkSet>("GET", "/.well-known/jwks.json")).keys.map(({ kid }) => kid);

  test("are made once, for the owner's eyes alone, and kept", async () => {
    const before = await kidsOf(await open());
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const person = await house?.federation.register(`u${unique()}`);
    const at = await open();
    expect(await kidsOf(at)).toEqual(before);
    expect(await at.outcome("GET", "/users/me", { token: person?.token })).toBe("200");
  });

  test("are rotated without signing anyone out", async () => {
    const [old, fresh] = [generateKeySet("ES256"), generateKeySet()];
    const person = await (await open({ JWT_KEYS: JSON.stringify(old) })).federation.register(`u${unique()}`);
    await house?.outcome("POST", "/auth/password/forgot", { body: { email: person.email } });
    const mail = (await house?.mails(person.email))?.[0];
    const at = await open({ JWT_KEYS: JSON.stringify({ keys: [...fresh.keys, ...old.keys] }) });
    expect(await kidsOf(at)).toHaveLength(2);
    expect(await at.outcome("GET", "/users/me", { token: person.token })).toBe("200");
    const { body } = await login(at, person.username, person.password);
    const header = JSON.parse(
      Buffer.from(body.accessToken.split(".")[0] as string, "base64url").toString(),
    ) as object;
    expect(header).toMatchObject({ kid: fresh.keys[0]?.kid });
    const reset = { token: mail?.token, newPassword: NEW };
    expect(await at.outcome("POST", "/auth/password/reset", { body: reset })).toBe("204");
  });

  test("that are none stop the start with a sentence that repeats nothing of them", async () => {
    writeFileSync(file(), '{"keys":[{"kty":"EC","d":"secret-part"}]}');
    const failure = await refusal();
    expect(failure).toContain("jwt-keys.json has a key");
    expect(failure).not.toContain("secret-part");
    expect(await refusal({ JWT_KEYS: "nonsense" })).toMatch(/: JWT_KEYS is not JSON/);
    expect(readFileSync(file(), "utf8")).toContain("secret-part");
  });
});
