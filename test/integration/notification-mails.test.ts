/** Notices by mail: at once or in a digest, and how they are stopped. */
import { newId } from "../../lib/ids.ts";
import type { KINDS } from "../../services/notifications/notifications.contract.ts";
import { eventually, startFederation } from "../support/federation.ts";
import type { Federation, Person } from "../support/federation.ts";
import { MailServer } from "../support/mail-server.ts";

const PUBLIC_URL = "https://clubs.example.edu";
type Kind = (typeof KINDS)[number];
interface Service {
  settings: { pace: { mails: number; digest: number } };
}

let mails: MailServer;
let all: Federation;
let ann: Person;

beforeAll(async () => {
  mails = await MailServer.start();
  all = await startFederation({
    domains: ["gateway", "users", "notifications"],
    alone: true,
    env: { MAIL_URL: mails.url, PUBLIC_URL },
  });
  // A mail waits until names can be asked for; here nothing has one.
  for (const name of ["clubs", "activities"])
    all.broker.createService({ name, actions: { records: () => [] } });
});
afterAll(async () => {
  await all?.stop();
  await mails?.go();
});
beforeEach(async () => {
  ann = await all.register();
  digestAfter(0);
});

function digestAfter(ms: number): void {
  (all.broker.getLocalService("notifications") as unknown as Service).settings.pace.digest = ms;
}

interface Told {
  to?: string[];
  id?: string;
  at?: number;
}

async function tell(
  type: string,
  data: object,
  { id = newId(), at = Date.now() }: Told = {},
): Promise<string> {
  await all.broker.call(
    "notifications.onMessage",
    {
      id,
      type,
      at,
      aggregate: { type: "x", id: newId(), version: 2 },
      actor: null,
      requestId: null,
      data,
    },
    { timeout: 8_000 },
  );
  return id;
}
const roster = (users: string[]) => ({
  activityId: newId(),
  clubId: newId(),
  occurrence: 0,
  startsAt: 0,
  users,
});
/** Kind `activity`, which goes out at once. */
const calledOff = (reason: string, { to = [ann.id], ...more }: Told = {}) =>
  tell("participations.calledOff", { ...roster(to), reason, dissolved: false }, more);
/** Kind `membership`. */
const promoted = (more: Told = {}) =>
  tell("clubs.memberRoleChanged", { clubId: newId(), userId: ann.id, role: "officer", by: newId() }, more);

const want = (kinds: Kind[], email: boolean) =>
  all.ok("PUT", "/notifications/preferences", {
    token: ann.token,
    body: Object.fromEntries(kinds.map((kind) => [kind, { inbox: true, stream: true, email }])),
  });
const mailsTo = async (count: number, person = ann) => {
  await eventually(async () => mails.to(person.email).length >= count || undefined, 40_000);
  return mails.to(person.email);
};
/** Whatever was due by now is sent; each domain's own mark goes through the same queue. */
async function nothingMoreFor(person: Person): Promise<number> {
  const marker = await all.register();
  await calledOff("marker", { to: [marker.id] });
  await mailsTo(1, marker);
  return mails.to(person.email).length;
}

test("what people wait for goes out at once: text and HTML in their language, with a way to stop it", async () => {
  await all.ok("PATCH", "/users/me", { token: ann.token, body: { locale: "zh-CN" } });
  digestAfter(3_600_000);
  await calledOff("下雨 <b>&\n明天再来");
  const [mail] = await mailsTo(1);
  expect(mail?.subject).toBe("某社团的某活动已取消");
  expect(mail?.text).toContain("下雨 <b>&\n明天再来");
  expect(mail?.html).toContain("下雨 &lt;b&gt;&amp;<br>明天再来");
  expect(mail?.headers.get("auto-submitted")).toBe("auto-generated");
  const list = mail?.headers.get("list") as unknown as { unsubscribe: { url: string } };
  expect(list.unsubscribe.url).toMatch(
    /^https:\/\/clubs\.example\.edu\/notifications\/unsubscribe\?token=[\w.~-]+$/,
  );
  expect(mail?.headerLines.find(({ key }) => key === "list-unsubscribe-post")?.line).toMatch(
    /: List-Unsubscribe=One-Click$/,
  );
  expect(mail?.html).toContain(list.unsubscribe.url);
  expect(await nothingMoreFor(ann)).toBe(1);
});

test("others are collected: one mail for several, without those that were read", async () => {
  digestAfter(3_600_000);
  await want(["membership"], true);
  const read = await promoted();
  await promoted();
  await tell("participations.promoted", roster([(await all.register()).id]));
  expect(await nothingMoreFor(ann)).toBe(0);
  await all.ok("POST", "/notifications/read", { token: ann.token, body: { ids: [`${read}:${ann.id}`] } });
  await promoted();
  // An hour ago: so the first of the digest has waited long enough.
  await promoted({ at: Date.now() - 3_600_000 });
  const [mail] = await mailsTo(1);
  expect(mail?.subject).toBe("3 notifications from Club Alliance");
  expect(mail?.text?.match(/Your role in a club has changed/g)).toHaveLength(3);
  expect(await nothingMoreFor(ann)).toBe(1);
});

test("a digest whose notices were all read is not sent, and the next one has only what is new", async () => {
  digestAfter(3_600_000);
  await want(["membership"], true);
  await promoted();
  await all.ok("POST", "/notifications/read", { token: ann.token, body: { all: true } });
  await promoted({ at: Date.now() - 3_600_000 });
  const [mail] = await mailsTo(1);
  expect(mail?.subject).toBe("Your role in a club has changed");
});

test("a message that comes again is mailed once, and what is not wanted is not mailed", async () => {
  const id = await calledOff("Once");
  await mailsTo(1);
  await calledOff("Once", { id });
  await want(["activity"], false);
  await calledOff("Not at all");
  await promoted();
  expect(await nothingMoreFor(ann)).toBe(1);
});

test("who is suspended gets none", async () => {
  const { token } = await all.admin();
  await all.ok("PUT", `/users/${ann.id}/status`, { token, body: { status: "suspended", reason: "A test" } });
  await calledOff("Anything");
  expect(await nothingMoreFor(ann)).toBe(0);
});

test("who is erased gets none, also of what waited", async () => {
  await mails.go();
  await calledOff("Before");
  const { id } = ann;
  // The domains that the erasure asks first are not here; what notifications are told of it is.
  await all.broker.call("notifications.onUserErased", {
    id: newId(),
    type: "users.erased",
    at: Date.now(),
    aggregate: { type: "user", id, version: 2 },
    actor: null,
    requestId: null,
    data: {},
  });
  await mails.come();
  expect(await nothingMoreFor(ann)).toBe(0);
});

describe("the link that stops them", () => {
  interface Stop {
    kinds: Kind[];
    stopped: boolean;
  }
  const preferences = () =>
    all.ok<Record<Kind, { email: boolean }>>("GET", "/notifications/preferences", { token: ann.token });
  const linksOf = (html: string | false | undefined): string[] =>
    [...String(html).matchAll(/href="https:\/\/clubs\.example\.edu([^"]+)"/g)].map(
      ([, link]) => link as string,
    );

  test("shows what it stops and changes nothing; a POST as mail programs send it stops that kind", async () => {
    await calledOff("Rain");
    const [mail] = await mailsTo(1);
    const [link] = linksOf(mail?.html) as [string];
    for (let i = 0; i < 2; i++)
      expect(await all.ok<Stop>("GET", link)).toEqual({ kinds: ["activity"], stopped: false });
    expect((await preferences()).activity.email).toBe(true);
    const answer = await all.call<Stop>("POST", link, {
      raw: "List-Unsubscribe=One-Click",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(answer).toMatchObject({ status: 200, body: { kinds: ["activity"], stopped: true } });
    expect(await preferences()).toMatchObject({ activity: { email: false }, application: { email: true } });
    expect(await all.ok<Stop>("GET", link)).toEqual({ kinds: ["activity"], stopped: true });
    await calledOff("Snow");
    expect(await nothingMoreFor(ann)).toBe(1);
  });

  test("or all kinds, without a body, and as often as one likes", async () => {
    await calledOff("Rain");
    const [mail] = await mailsTo(1);
    const [, everything] = linksOf(mail?.html) as [string, string];
    for (let i = 0; i < 2; i++) expect((await all.ok<Stop>("POST", everything)).kinds).toHaveLength(9);
    expect(Object.values(await preferences()).some(({ email }) => email)).toBe(false);
  });

  test("a form with a boundary, as RFC 8058 also has it, and a body of any size of sense", async () => {
    await calledOff("Rain");
    const [mail] = await mailsTo(1);
    const [link] = linksOf(mail?.html) as [string];
    const raw = "--b\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--b--\r\n";
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    expect((await all.call("POST", link, { raw, headers })).status).toBe(200);
    expect(
      (await all.call("POST", link, { raw: "{", headers: { "content-type": "application/json" } })).status,
    ).toBe(200);
  });

  test("a token that is not ours is refused", async () => {
    await calledOff("Rain");
    const [mail] = await mailsTo(1);
    const [link] = linksOf(mail?.html) as [string];
    const [path, token = ""] = link.split("?token=");
    const other = (await all.register()).id;
    for (const wrong of ["x", token.replace(ann.id, other), `${token.slice(0, -2)}AA`, "x".repeat(300)])
      for (const method of ["GET", "POST"])
        expect((await all.call(method, `${path}?token=${encodeURIComponent(wrong)}`)).status).toBe(422);
    for (const method of ["GET", "POST"]) expect((await all.call(method, path as string)).status).toBe(422);
  });
});

describe("a mail server that is away", () => {
  test.each([
    ["is gone", () => mails.go(), () => mails.come()],
    [
      "takes nobody",
      async () => {
        await mails.go();
        mails.refusal = { responseCode: 421 };
        await mails.come();
      },
      async () => {
        mails.refusal = null;
      },
    ],
  ])(
    "%s: nothing is lost, it is not stormed, and people are told all the same",
    async (_what, leave, back) => {
      await leave();
      mails.connections = 0;
      const people = await Promise.all(Array.from({ length: 30 }, () => all.register()));
      for (const reason of ["Rain", "Snow", "Hail"])
        await calledOff(reason, { to: people.map(({ id }) => id) });
      // As long as some tries take.
      await eventually(async () => mails.connections > 1 || (await tried()) || undefined, 40_000);
      const { items } = await all.ok<{ items: unknown[] }>("GET", "/notifications", {
        token: people[0]?.token,
      });
      expect(items).toHaveLength(3);
      expect(mails.connections).toBeLessThan(30);
      await back();
      const got = ({ email }: { email: string }): string =>
        mails
          .to(email)
          .map(({ text }) => text ?? "")
          .join("\n");
      const reasons = ["Rain", "Snow", "Hail"];
      // What was told while a mail was being made up is in the next one.
      for (const person of people)
        await eventually(
          async () => reasons.every((each) => got(person).includes(each)) || undefined,
          60_000,
        );
      for (const person of people)
        for (const reason of reasons) expect(got(person).split(reason)).toHaveLength(2);
    },
    120_000,
  );

  /** Whether mails were tried and found to be due later. */
  async function tried(): Promise<boolean> {
    const { documents } = all.broker.getLocalService("notifications") as unknown as {
      documents: import("../../lib/documents.ts").DocumentStore;
    };
    const waiting = await documents.collection<import("../../services/notifications/mailings.ts").Mailing>(
      "mailings",
      { indexes: [] },
    );
    return (await waiting.find({ to: { $gte: 1 } })).length > 0;
  }

  test("an address that it never takes does not hold up the others", async () => {
    const bob = await all.register();
    mails.unknown.add(ann.email);
    await calledOff("Rain", { to: [ann.id, bob.id] });
    await mailsTo(1, bob);
    expect(await nothingMoreFor(ann)).toBe(0);
  });
});
