/** Settings on the admin gateway: shown, changed, refused, kept. That they hold: settings-in-force.test.ts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Answer } from "../../lib/declare.ts";
import { SETTING_KEYS } from "../../lib/live-settings.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";

type Shown = Answer<"settings.set">;

let office: Office;
let admin: Administrator;
beforeAll(async () => {
  office = await startOffice();
  admin = await office.admin();
});
afterAll(() => office.stop());

const all = (headers: Record<string, string> = {}) =>
  office.ok<Shown[]>("GET", "/admin/settings", { token: admin.token, headers });
const shown = async (key: string): Promise<Shown> => (await all()).find((each) => each.key === key) as Shown;
const put = (key: string, value: unknown, headers: Record<string, string> = {}, by = admin) =>
  office.call<Shown>("PUT", `/admin/settings/${key}`, { token: by.token, body: { value }, headers });
const outcome = (key: string, value: unknown, headers: Record<string, string> = {}) =>
  office.outcome("PUT", `/admin/settings/${key}`, { token: admin.token, body: { value }, headers });
const inForce = (key: Parameters<ReturnType<typeof runtimeOf>["live"]["get"]>[0]) =>
  runtimeOf(office.broker).live.get(key);

test("all settings are shown, each with what it takes, in the reader's language", async () => {
  const settings = await all();
  expect(settings.map(({ key }) => key)).toEqual(SETTING_KEYS);
  expect(settings.find(({ key }) => key === "applications.expiryDays")).toEqual({
    key: "applications.expiryDays",
    value: 14,
    default: 14,
    type: "integer",
    min: 1,
    max: 90,
    description: expect.stringContaining("Days after which") as string,
    history: [],
    version: 1,
  });
  expect(await shown("applications.defaultStages")).toMatchObject({
    type: "list",
    options: ["officer", "president"],
  });
  const chinese = (await all({ "accept-language": "zh-CN" })).find(({ key }) => key === "banner.text");
  expect(chinese?.description).toMatch(/横幅/);
});

test("defaults of limits are the environment's", async () => {
  expect(await shown("limits.userPerMinute")).toMatchObject({ value: 0, default: 0 });
});

test("a change is shown with who made it, and holds before it is answered", async () => {
  const { status, body, headers } = await put("banner.text", "  Open day on Friday ");
  expect(status).toBe(200);
  expect(inForce("banner.text")).toBe("Open day on Friday");
  expect(body).toMatchObject({ key: "banner.text", value: "Open day on Friday", default: "", version: 2 });
  expect(headers.etag).toMatch(/^"2[".]/);
  expect(body.history).toEqual([
    {
      at: expect.stringMatching(/Z$/) as string,
      by: expect.objectContaining({ id: admin.id }) as object,
      value: "Open day on Friday",
    },
  ]);
  expect(await shown("banner.text")).toEqual(body);
});

test("the same value again changes nothing; null is the default again", async () => {
  await put("applications.expiryDays", 30);
  const again = (await put("applications.expiryDays", 30)).body;
  expect([again.version, again.history.length]).toEqual([2, 1]);
  const back = (await put("applications.expiryDays", null)).body;
  expect([back.value, back.version, back.history.map(({ value }) => value)]).toEqual([14, 3, [null, 30]]);
  expect(inForce("applications.expiryDays")).toBe(14);
});

test("at most the last twenty changes are shown, the newest first", async () => {
  for (let days = 1; days <= 22; days++) await put("moderation.reportsToHold", days);
  const { history } = await shown("moderation.reportsToHold");
  expect(history.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, (_, n) => 22 - n));
  await put("moderation.reportsToHold", null);
});

test.each([
  ["registration.open", "yes", "NOT_A_SWITCH"],
  ["applications.expiryDays", 91, "NOT_IN_RANGE"],
  ["limits.authPerMinute", "30", "NOT_IN_RANGE"],
  ["banner.text", 7, "NOT_TEXT"],
  ["banner.text", "two\nlines", "INVALID_CHARACTERS"],
  ["campus.timezone", "+08:00", "UNKNOWN_TIME_ZONE"],
  ["applications.defaultStages", ["officer", "officer"], "NOT_A_LIST_OF"],
  ["admin.allowedNetworks", ["10.0.0.0/99"], "NOT_NETWORKS"],
  ["files.maxImageMiB", 0, "NOT_IN_RANGE"],
])("%s does not take %j", async (key, value, code) => {
  const before = await shown(key);
  expect(await outcome(key, value)).toBe(`422 VALIDATION_FAILED value=${code}`);
  expect(await shown(key)).toEqual(before);
});

test("the reason says what is taken, in both languages", async () => {
  const reason = async (language: string) => {
    const answer = await put("applications.expiryDays", 91, { "accept-language": language });
    return (answer.body as unknown as { errors: { message: string }[] }).errors[0]?.message;
  };
  expect(await reason("en")).toBe("Must be a whole number from 1 to 90.");
  expect(await reason("zh-CN")).toBe("须为 1 到 90 的整数。");
});

test("what else is refused", async () => {
  expect(await outcome("no.such", 1)).toBe("404 NOT_FOUND");
  expect(await outcome("toString", 1)).toBe("404 NOT_FOUND");
  const token = admin.token;
  expect(await office.outcome("PUT", "/admin/settings/banner.text", { token, body: {} })).toBe(
    "422 VALIDATION_FAILED value=REQUIRED",
  );
  expect(
    await office.outcome("PUT", "/admin/settings/banner.text", { token, body: { value: "", more: 1 } }),
  ).toBe("422 VALIDATION_FAILED more=UNKNOWN_FIELD");
  expect(await office.outcome("GET", "/admin/settings")).toBe("401 UNAUTHENTICATED");
  const student = await office.public.register();
  expect(await office.outcome("GET", "/admin/settings", { token: student.token })).toBe("401 INVALID_TOKEN");
});

test("nobody shuts out their own address", async () => {
  expect(await outcome("admin.allowedNetworks", ["192.0.2.0/24"])).toBe(
    "422 VALIDATION_FAILED value=SHUTS_YOU_OUT",
  );
  expect(await outcome("admin.allowedNetworks", ["192.0.2.0/24", "127.0.0.0/8"])).toBe("200");
  expect((await all()).length).toBeGreaterThan(0);
  expect(await outcome("admin.allowedNetworks", [])).toBe("200");
});

test("If-Match names the version that was read", async () => {
  const { version } = await shown("clubs.creationOpen");
  expect(await outcome("clubs.creationOpen", false, { "if-match": `"${version + 1}"` })).toBe(
    "412 PRECONDITION_FAILED",
  );
  expect(inForce("clubs.creationOpen")).toBe(true);
  expect(await outcome("clubs.creationOpen", false, { "if-match": `"${version}"` })).toBe("200");
  expect(await outcome("clubs.creationOpen", true, { "if-match": `"${version}"` })).toBe(
    "412 PRECONDITION_FAILED",
  );
  expect(inForce("clubs.creationOpen")).toBe(false);
  await put("clubs.creationOpen", null);
});

test("of several at once the last one holds, and all are in the history", async () => {
  const other = await office.another();
  const second = await office.admin(other.username, other.password);
  const days = [3, 4, 5, 6, 7, 8, 9, 10];
  const answers = await Promise.all(
    days.map((value, n) => put("applications.expiryDays", value, {}, n % 2 ? admin : second)),
  );
  expect(answers.map(({ status }) => status)).toEqual(days.map(() => 200));
  const { value, history } = await shown("applications.expiryDays");
  const made = history.slice(0, days.length);
  expect(made.map((each) => each.value).toSorted((a, b) => Number(a) - Number(b))).toEqual(days);
  expect(new Set(made.map(({ by }) => by.id))).toEqual(new Set([admin.id, second.id]));
  expect(value).toBe(made[0]?.value);
  expect(inForce("applications.expiryDays")).toBe(value);
});

test("of several who have read the same version one alone changes it", async () => {
  const { version } = await shown("files.maxImageMiB");
  const outcomes = await Promise.all(
    [6, 7, 8, 9].map((value) => outcome("files.maxImageMiB", value, { "if-match": `"${version}"` })),
  );
  expect(outcomes.toSorted()).toEqual(["200", ...Array<string>(3).fill("412 PRECONDITION_FAILED")]);
});

test("a clock that jumps does not undo a setting, nor hide who made the last change", async () => {
  const { now } = Date;
  await put("banner.text", "before");
  try {
    for (const hours of [-1, 1]) {
      Date.now = () => now() + hours * 3_600_000;
      await office.broker.call("settings.tell");
      expect(inForce("banner.text")).toBe("before");
    }
  } finally {
    Date.now = now;
  }
  // As if the clock had been an hour ahead when it was set.
  await office.db.primary.run("UPDATE settings_history SET at = at + 3600000 WHERE name = 'banner.text'");
  const { body } = await put("banner.text", "after");
  expect(body.history.slice(0, 2).map(({ value }) => value)).toEqual(["after", "before"]);
  expect(inForce("banner.text")).toBe("after");
});

test("what is set is there again after a restart, before anybody is served", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "settings-"));
  try {
    const first = await startOffice({ env: { DATA_DIR: folder } });
    const { token } = await first.admin();
    await first.ok("PUT", "/admin/settings/registration.open", { token, body: { value: false } });
    await first.stop();
    const second = await startOffice({ env: { DATA_DIR: folder } });
    expect(runtimeOf(second.broker).live.get("registration.open")).toBe(false);
    await second.stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
