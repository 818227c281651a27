/** `maintenance.mode`: nothing is changed by people; they read, and administrators go on. */
import { Agent, request } from "node:http";
import { startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";
import type { Person } from "../support/federation.ts";

let office: Office;
let admin: Administrator;
let student: Person;
beforeAll(async () => {
  office = await startOffice();
  admin = await office.admin();
  student = await office.public.register();
  await set(true);
});
afterAll(() => office.stop());

const set = (value: boolean) =>
  office.ok("PUT", "/admin/settings/maintenance.mode", { token: admin.token, body: { value } });
const call = (method: string, target: string, body?: unknown, token: string | undefined = student.token) =>
  office.public.call<{ code?: string; detail?: string }>(method, target, { token, body });

test("a write is 503 and says when to try again, in both languages", async () => {
  const { status, headers, body } = await call("PATCH", "/users/me", { displayName: "Another" });
  expect([status, body.code, headers["retry-after"]]).toEqual([503, "MAINTENANCE", "60"]);
  const chinese = await office.public.call<{ title: string }>("PATCH", "/users/me", {
    token: student.token,
    body: {},
    headers: { "accept-language": "zh-CN" },
  });
  expect(chinese.body.title).toBe("系统维护中");
  const { body: me } = await call("GET", "/users/me");
  expect(me).not.toMatchObject({ displayName: "Another" });
});

test("whatever the body, which is not waited for", async () => {
  const { status } = await office.public.call("POST", "/clubs", { token: student.token, raw: "{not json" });
  expect(status).toBe(503);
  const agent = new Agent();
  const answered = await new Promise<number>((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${student.token}`,
      "content-type": "application/json",
      "content-length": "1000",
    };
    const sent = request(`${office.public.url}/clubs`, { method: "POST", headers, agent }, (response) => {
      resolve(response.statusCode ?? 0);
      sent.destroy();
    });
    sent.on("error", reject);
    // The rest never comes.
    sent.write("{");
  });
  agent.destroy();
  expect(answered).toBe(503);
});

test("who may not call at all hears that first; unknown routes are unknown", async () => {
  expect((await office.public.call("PATCH", "/users/me", { body: {} })).status).toBe(401);
  expect((await call("POST", "/nowhere", {})).status).toBe(404);
  expect((await call("POST", "/users/me", {})).status).toBe(405);
});

test("reading goes on", async () => {
  for (const target of ["/users/me", "/auth/sessions", "/roles", "/openapi.json"])
    expect((await call("GET", target)).status).toBe(200);
  expect((await call("HEAD", "/users/me")).status).toBe(200);
  expect((await call("OPTIONS", "/users/me")).status).toBe(204);
});

test("signing in, refreshing and signing out go on, registering does not", async () => {
  const body = { login: student.username, password: student.password };
  const signedIn = await office.public.ok<{ accessToken: string; refreshToken: string }>(
    "POST",
    "/auth/login",
    {
      body,
    },
  );
  const { refreshToken } = signedIn;
  const next = await office.public.ok<{ accessToken: string }>("POST", "/auth/refresh", {
    body: { refreshToken },
  });
  expect((await call("POST", "/auth/logout", undefined, next.accessToken)).status).toBe(204);
  const account = { username: "late-comer", email: "late@example.edu", password: "a long enough passphrase" };
  expect((await office.public.call("POST", "/auth/register", { body: account })).status).toBe(503);
});

test("administrators go on, on their gateway alone", async () => {
  const put = { token: admin.token, body: { value: 3 } };
  expect(await office.outcome("PUT", "/admin/settings/applications.expiryDays", put)).toBe("200");
  const roles = { token: admin.token, body: { roles: ["reviewer"] } };
  expect(await office.outcome("PUT", `/admin/users/${student.id}/roles`, roles)).toBe("200");
  const { token } = await office.public.admin();
  const answer = await office.public.call("PUT", `/users/${student.id}/roles`, {
    token,
    body: { roles: [] },
  });
  expect(answer.status).toBe(503);
});

test("it ends with the next request", async () => {
  await set(false);
  expect((await call("PATCH", "/users/me", { displayName: "Another" })).status).toBe(200);
});
