/** Ways out for administrators who have lost something, on the databases themselves; and what goes with an account. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { TOTP } from "otpauth";
import { forgetErased } from "../../services/admin/forgetting.ts";
import { ADMIN, startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
const STEP = 30_000;

let folder: string;
let office: Office;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "club-alliance-reset-"));
  await open();
}, 60_000);
afterAll(async () => {
  await office?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function open(): Promise<void> {
  office = await startOffice({
    env: { DATA_DIR: folder },
    services: [{ name: "clubs", actions: { presidedBy: () => [] } }],
  });
}

/** Runs `npm run admin` while nothing else has the stores open. */
async function operate(...args: string[]): Promise<{ code: number; said: string }> {
  await office.stop();
  const env = { PATH: process.env["PATH"] ?? "", DATA_DIR: folder };
  const answer = await new Promise<{ code: number; said: string }>((resolve) => {
    execFile(process.execPath, ["scripts/admin.ts", ...args], { cwd: ROOT, env }, (error, out, err) =>
      resolve({ code: Number(error?.code ?? 0), said: `${out}${err}` }),
    );
  });
  await open();
  return answer;
}

const signIn = (login: string, password: string, code?: string): Promise<string> =>
  office.outcome("POST", "/admin/auth/login", { body: { login, password, ...(code && { code }) } });

async function protect(token: string): Promise<string> {
  const { secret } = await office.ok<{ secret: string }>("POST", "/admin/auth/totp", { token });
  const body = { code: new TOTP({ secret }).generate() };
  await office.ok("POST", "/admin/auth/totp/confirm", { token, body });
  return secret;
}

test("reset-totp takes a lost second factor away, and nothing else", async () => {
  const { token } = await office.admin();
  const secret = await protect(token);
  expect(await signIn(ADMIN.email, ADMIN.password)).toBe("401 TOTP_REQUIRED");
  expect(await operate("reset-totp", "nobody@example.edu")).toMatchObject({ code: 1 });
  // It outlives a restart, keys included.
  const code = new TOTP({ secret }).generate({ timestamp: Date.now() + STEP });
  expect(await signIn(ADMIN.email, ADMIN.password, code)).toBe("200");
  const { code: exit, said } = await operate("reset-totp", ADMIN.email);
  expect([exit, said]).toEqual([0, expect.stringContaining("signs in by password alone")]);
  expect(await signIn(ADMIN.email, ADMIN.password)).toBe("200");
  expect(await signIn(ADMIN.email, "a wrong passphrase")).toBe("401 INVALID_CREDENTIALS");
  expect((await operate("reset-totp", ADMIN.email)).said).toContain("has no second factor");
}, 120_000);

test("reset ends the sessions of the admin gateway as well", async () => {
  const { username, password } = await office.another();
  const { token } = await office.admin(username, password);
  expect(await office.outcome("GET", "/admin/auth/session", { token })).toBe("200");
  const { code, said } = await operate("reset", username);
  expect(code).toBe(0);
  expect(await office.outcome("GET", "/admin/auth/session", { token })).toBe("401 INVALID_TOKEN");
  const once = /One-time password +(\S+)/.exec(said)?.[1] as string;
  expect(await signIn(username, once)).toBe("401 INVALID_CREDENTIALS");
}, 60_000);

test("with an account its second factor and its sessions go, and nobody else's", async () => {
  const [gone, stays] = [await office.another(), await office.another()];
  for (const each of [gone, stays]) await protect((await office.admin(each.username, each.password)).token);
  const { accessToken: token } = await office.public.ok<{ accessToken: string }>("POST", "/auth/login", {
    body: { login: gone.username, password: gone.password },
  });
  await office.public.ok("DELETE", "/users/me", { token, body: { password: gone.password } });
  await forgetErased(office.broker, office.db);
  const left = async (id: string): Promise<number[]> =>
    Promise.all(
      ["admin_totp", "admin_recovery_codes", "admin_sessions"].map((table) =>
        office.db.primary.number(`SELECT COUNT(*) AS n FROM ${table} WHERE user_id = :id`, { id }),
      ),
    );
  expect(await left(gone.id)).toEqual([0, 0, 0]);
  expect(await left(stays.id)).toEqual([1, 10, 1]);
});
