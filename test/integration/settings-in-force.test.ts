/** What administrators have set holds for everybody, with the next request. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";
import type { Caller, Person } from "../support/federation.ts";

const MIB = 2 ** 20;
const DAY = 24 * 3_600_000;
const PROXIES = { TRUSTED_PROXIES: "127.0.0.1", CAMPUS_NETWORKS: "10.1.0.0/16" };

let office: Office;
let admin: Administrator;
let president: Person;
let student: Person;
let reviewer: Caller;
let club: string;
beforeAll(async () => {
  office = await startOffice({ domains: DOMAINS, env: PROXIES });
  admin = await office.admin();
  [president, student, reviewer] = [
    await office.public.register(),
    await office.public.register(),
    await office.public.register(),
  ];
  await office.give(reviewer.id, ["reviewer"]);
  club = await office.public.foundClub(president, reviewer);
}, 60_000);
afterAll(() => office.stop());

async function set(key: string, value: unknown): Promise<void> {
  await office.ok("PUT", `/admin/settings/${key}`, { token: admin.token, body: { value } });
}

afterEach(async () => {
  const all = await office.ok<{ key: string; value: unknown; default: unknown }[]>("GET", "/admin/settings", {
    token: admin.token,
  });
  for (const { key, value, default: usual } of all)
    if (JSON.stringify(value) !== JSON.stringify(usual)) await set(key, null);
});

type Options = Parameters<Office["public"]["call"]>[2];

async function outcome(method: string, target: string, options: Options = {}): Promise<string> {
  const { status, body } = await office.public.call<Problem | undefined>(method, target, options);
  const fields = body?.errors?.map(({ field, code }) => ` ${field}=${code}`) ?? [];
  return status < 400 ? String(status) : `${status} ${body?.code}${fields.join("")}`;
}

interface Problem {
  code: string;
  errors?: { field: string; code: string }[];
}

const as = ({ token }: Caller, body?: unknown): Options => ({ token, body });
let names = 0;
const newClub = (more: object = {}) => ({
  name: `A new club ${(names += 1)}`,
  summary: "New.",
  category: "academic",
  ...more,
});
const dbOf = (service: string) =>
  (office.broker.getLocalService(service) as unknown as DatabaseMethods).db.primary;

test("registration.open: nobody registers, who has an account signs in", async () => {
  const body = {
    username: `late-${Date.now()}`,
    email: `late${Date.now()}@example.edu`,
    password: "a long passphrase",
  };
  await set("registration.open", false);
  expect(await outcome("POST", "/auth/register", { body })).toBe("403 SWITCHED_OFF");
  const { username: login, password } = student;
  expect(await outcome("POST", "/auth/login", { body: { login, password } })).toBe("200");
  await set("registration.open", true);
  expect(await outcome("POST", "/auth/register", { body })).toBe("201");
});

test("clubs.creationOpen: nobody founds a club, and a president changes theirs", async () => {
  await set("clubs.creationOpen", false);
  expect(await outcome("POST", "/clubs", as(student, newClub()))).toBe("403 SWITCHED_OFF");
  expect(await outcome("PATCH", `/clubs/${club}`, as(president, { summary: "Changed." }))).toBe("200");
  await set("clubs.creationOpen", true);
  expect(await outcome("POST", "/clubs", as(student, newClub()))).toBe("201");
});

test("activities.signUpOpen: nobody joins, who has joined leaves", async () => {
  const [startsAt, endsAt] = [7 * DAY, 8 * DAY].map((ms) => new Date(Date.now() + ms).toISOString());
  const plan = { title: "Reading", startsAt, endsAt, timezone: "Asia/Shanghai" };
  const { id } = await office.public.ok<{ id: string }>(
    "POST",
    `/clubs/${club}/activities`,
    as(president, plan),
  );
  await office.public.ok("POST", `/activities/${id}/publish`, as(president, {}));
  const place = `/activities/${id}/participation`;
  expect(await outcome("PUT", place, as(student, {}))).toBe("201");
  await set("activities.signUpOpen", false);
  expect(await outcome("PUT", place, as(president, {}))).toBe("403 SWITCHED_OFF");
  expect(await outcome("GET", place, as(student))).toBe("200");
  expect(await outcome("DELETE", place, as(student))).toBe("204");
  await set("activities.signUpOpen", true);
  expect(await outcome("PUT", place, as(president, {}))).toBe("201");
});

test("applications.expiryDays: for what is filed from now on", async () => {
  const file = async (person: Person): Promise<{ filed: number; days: number }> => {
    const { application } = await office.public.ok<{ application: { id: string } }>(
      "POST",
      `/clubs/${club}/applications`,
      as(person, {}),
    );
    const { id } = application;
    for (let looks = 0; ; looks++) {
      const row = await dbOf("applications").one<{ status: string; created_at: number; expires_at: number }>(
        "SELECT status, created_at, expires_at FROM applications WHERE id = :id",
        { id },
      );
      if (row?.status === "under_review")
        return { filed: row.created_at, days: Math.floor((row.expires_at - row.created_at) / DAY) };
      if (looks > 100) throw new Error(`It is ${row?.status}`);
      await sleep(50);
    }
  };
  expect((await file(student)).days).toBe(14);
  await set("applications.expiryDays", 2);
  expect((await file(await office.public.register())).days).toBe(2);
});

test("applications.defaultStages: for clubs that name none", async () => {
  await set("applications.defaultStages", ["officer", "president"]);
  const stagesOf = async (more: object) =>
    (await office.public.ok<{ reviewStages: string[] }>("POST", "/clubs", as(student, newClub(more))))
      .reviewStages;
  expect(await stagesOf({})).toEqual(["officer", "president"]);
  expect(await stagesOf({ reviewStages: ["president"] })).toEqual(["president"]);
});

describe("limits, at once, on both gateways; 0 is off", () => {
  const limitOf = async (target: string, options: Options = {}) =>
    (await office.public.call("GET", target, options)).headers["ratelimit-limit"];

  test("limits.anonymousPerMinute, a hundred times as many on the campus", async () => {
    const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
    expect(await limitOf("/clubs", from("192.0.2.1"))).toBeUndefined();
    await set("limits.anonymousPerMinute", 3);
    expect(await limitOf("/clubs", from("192.0.2.1"))).toBe("3");
    expect(await limitOf("/clubs", from("10.1.2.3"))).toBe("300");
    for (let count = 0; count < 4; count++) await outcome("GET", "/clubs", from("192.0.2.2"));
    expect(await outcome("GET", "/clubs", from("192.0.2.2"))).toBe("429 RATE_LIMITED");
    await set("limits.anonymousPerMinute", 0);
    expect(await outcome("GET", "/clubs", from("192.0.2.2"))).toBe("200");
  });

  test("limits.userPerMinute", async () => {
    await set("limits.userPerMinute", 50);
    expect(await limitOf("/users/me", as(student))).toBe("50");
    const { headers } = await office.call("GET", "/admin/settings", { token: admin.token });
    expect(headers["ratelimit-limit"]).toBe("50");
  });

  test("limits.authPerMinute counts the tries on both", async () => {
    await set("limits.authPerMinute", 5);
    const headers = { "x-forwarded-for": "192.0.2.9" };
    const body = { login: "nobody-at-all", password: "wrong and long" };
    const first = await office.public.call("POST", "/auth/login", { body, headers });
    const second = await office.call("POST", "/admin/auth/login", { body, headers });
    const left = [first, second].map((answer) => answer.headers["ratelimit-remaining"]);
    expect([first.headers["ratelimit-limit"], left]).toEqual(["5", ["4", "3"]]);
  });
});

describe("moderation", () => {
  const write = async (person: Caller, title = `A post ${(names += 1)}`) => {
    const { status, body } = await office.public.call<{ id: string; status: string }>(
      "POST",
      "/posts",
      as(person, { title, body: "Something to read." }),
    );
    return { id: body.id, outcome: `${status} ${body.status}` };
  };
  const seen = (id: string) => outcome("GET", `/posts/${id}`);

  test("moderation.reportsToHold", async () => {
    await set("moderation.reportsToHold", 2);
    const { id } = await write({ id: student.id, token: student.token });
    for (const by of [president, reviewer]) {
      expect(await seen(id)).toBe("200");
      expect(await outcome("POST", `/posts/${id}/reports`, as(by, { reason: "spam" }))).toBe("201");
    }
    expect(await seen(id)).toBe("404 NOT_FOUND");
  });

  test("moderation.holdEverything: all but what moderators write", async () => {
    const before = await write(student);
    await set("moderation.holdEverything", true);
    const held = await write(student);
    expect([held.outcome, await seen(held.id)]).toEqual(["202 held", "404 NOT_FOUND"]);
    const comment = { body: "An answer." };
    expect(await outcome("POST", `/posts/${before.id}/comments`, as(president, comment))).toBe("202");
    expect(await outcome("PATCH", `/posts/${before.id}`, as(student, { title: "Another title" }))).toBe(
      "200",
    );
    expect(await seen(before.id)).toBe("404 NOT_FOUND");
    const moderator = await office.public.register();
    await office.give(moderator.id, ["moderator"]);
    expect((await write(moderator)).outcome).toBe("201 published");
    const queue = await office.public.ok<{ items: { subject: { id: string }; why: string }[] }>(
      "GET",
      "/moderation/queue?limit=100",
      as(moderator),
    );
    expect(queue.items.find(({ subject }) => subject.id === held.id)?.why).toBe("everything");
    await set("moderation.holdEverything", false);
    expect((await write(student)).outcome).toBe("201 published");
  });
});

test("files.maxImageMiB and files.maxDocumentMiB", async () => {
  const announce = (contentType: string, mib: number) =>
    outcome("POST", "/files", as(student, { name: "a", contentType, size: mib * MIB, purpose: "post" }));
  const tooLarge = "422 VALIDATION_FAILED size=TOO_LARGE";
  expect(await announce("image/png", 5)).toBe("201");
  expect(await announce("image/png", 6)).toBe(tooLarge);
  await set("files.maxImageMiB", 6);
  await set("files.maxDocumentMiB", 1);
  expect(await announce("image/png", 6)).toBe("201");
  expect(await announce("image/png", 7)).toBe(tooLarge);
  expect(await announce("application/pdf", 1)).toBe("201");
  expect(await announce("application/pdf", 2)).toBe(tooLarge);
});
