/** Announcements: made on the admin gateway, read on the public one, told to those they are for. */
import fc from "fast-check";
import type { Database } from "../../lib/database.ts";
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { Audience } from "../../services/admin/announcements.contract.ts";
import { startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { EventStream } from "../support/event-stream.ts";
import type { Person } from "../support/federation.ts";
import { MailServer } from "../support/mail-server.ts";

interface Announced {
  id: string;
  state: string;
  version: number;
  title: string;
  audience: Audience;
  startsAt: string;
  endsAt: string | null;
}
interface Reach {
  reach: { people: number; told: number; read: number } | null;
}
interface Board {
  items: { id: string; title: string; body: string; version: number }[];
  banner: string;
  nextCursor: string | null;
}
interface Inbox {
  items: { id: string; kind: string; title: string; body: string; subject: { id: string } }[];
  unreadCount: number;
}

const text = { title: "Power cut", body: "No power on Sunday.", level: "warning" };
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();

let office: Office;
let mails: MailServer;
let admin: Administrator;
let ann: Person;

beforeAll(async () => {
  mails = await MailServer.start();
  office = await startOffice({ domains: ["clubs", "notifications"], env: { MAIL_URL: mails.url } });
  admin = await office.admin();
  const { settings } = office.broker.getLocalService("notifications") as unknown as {
    settings: { pace: { digest: number } };
  };
  settings.pace.digest = 0;
  ann = await office.public.register();
}, 120_000);
afterAll(async () => {
  await office?.stop();
  await mails?.go();
});

const announce = (fields: object = {}, audience: Audience = {}): Promise<Announced> =>
  office.ok("POST", "/admin/announcements", {
    token: admin.token,
    body: { ...text, audience, ...fields },
  });
const change = (id: string, body: object, headers: Record<string, string> = {}): Promise<string> =>
  office.outcome("PATCH", `/admin/announcements/${id}`, { token: admin.token, body, headers });
const withdraw = (id: string): Promise<string> =>
  office.outcome("DELETE", `/admin/announcements/${id}`, { token: admin.token });
const one = (id: string): Promise<Announced & Reach> =>
  office.ok("GET", `/admin/announcements/${id}`, { token: admin.token });
const board = (reader?: Person): Promise<Board> =>
  office.public.ok("GET", "/announcements?limit=100", { token: reader?.token });
const inbox = (reader: Person): Promise<Inbox> =>
  office.public.ok("GET", "/notifications?limit=100", { token: reader.token });
const shown = async (id: string, reader?: Person) =>
  (await board(reader)).items.find((each) => each.id === id);
const noticed = async (id: string, reader: Person) =>
  (await inbox(reader)).items.find(({ subject }) => subject.id === id);
/** Waits until everybody is told. */
const toldAll = (id: string) =>
  eventually(
    async () => {
      const { reach } = await one(id);
      return (reach && reach.told > 0 && reach.told === reach.people && reach) || undefined;
    },
    30_000,
    () => "Not everybody is told.",
  );
const read = async (id: string, reader: Person): Promise<void> => {
  const notice = await eventually(() => noticed(id, reader));
  await office.public.ok("POST", "/notifications/read", { token: reader.token, body: { ids: [notice.id] } });
};

test("an announcement for everyone is read without a token, and is in everybody's inbox", async () => {
  const made = await announce();
  expect(made).toMatchObject({ state: "current", version: 1, audience: {}, endsAt: null });
  const item = await eventually(() => shown(made.id));
  expect(item).toMatchObject({ ...text, version: 1 });
  await toldAll(made.id);
  expect(await noticed(made.id, ann)).toMatchObject({
    kind: "announcement",
    title: "Power cut",
    body: "No power on Sunday.",
    subject: { type: "announcement", id: made.id },
  });
  const before = (await one(made.id)).reach?.read;
  await read(made.id, ann);
  expect((await one(made.id)).reach?.read).toBe((before ?? 0) + 1);
  // Who comes later reads it on the board alone.
  const late = await office.public.register();
  expect(await shown(made.id, late)).toBeTruthy();
  expect((await inbox(late)).items).toEqual([]);
});

test("what is wrong is refused by field", async () => {
  const post = (body: object) => office.outcome("POST", "/admin/announcements", { token: admin.token, body });
  const good = { ...text, audience: {} };
  const refusals: [object, string][] = [
    [{}, "title=REQUIRED body=REQUIRED level=REQUIRED audience=REQUIRED"],
    [{ ...good, title: " " }, "title=TOO_SHORT"],
    [{ ...good, title: "x".repeat(201) }, "title=TOO_LONG"],
    [{ ...good, body: "x".repeat(10_001) }, "body=TOO_LONG"],
    [{ ...good, level: "loud" }, "level=NOT_ALLOWED"],
    [{ ...good, audience: { roles: ["king"] } }, "audience.roles[0]=NOT_ALLOWED"],
    [{ ...good, audience: { roles: [] } }, "audience.roles=TOO_FEW"],
    [{ ...good, audience: { clubIds: [] } }, "audience.clubIds=TOO_FEW"],
    [{ ...good, audience: { colleges: [] } }, "audience.colleges=TOO_FEW"],
    [{ ...good, audience: { grades: ["1"] } }, "audience.grades=UNKNOWN_FIELD"],
    [{ ...good, audience: { clubIds: [newId()] } }, "audience.clubIds[0]=INVALID_REFERENCE"],
    [{ ...good, startsAt: "tomorrow" }, "startsAt=INVALID_FORMAT"],
    [{ ...good, startsAt: soon(60_000), endsAt: soon(30_000) }, "endsAt=ENDS_BEFORE_START"],
    [{ ...good, startsAt: soon(-60_000), endsAt: soon(-30_000) }, "endsAt=IN_THE_PAST"],
  ];
  for (const [body, fields] of refusals) expect(await post(body)).toBe(`422 VALIDATION_FAILED ${fields}`);
  expect(await change(newId(), { title: "x" })).toBe("404 NOT_FOUND");
  expect(await withdraw(newId())).toBe("404 NOT_FOUND");
  const asked = { token: admin.token };
  expect(await office.outcome("GET", `/admin/announcements/${newId()}`, asked)).toBe("404 NOT_FOUND");
  expect(await office.outcome("GET", "/admin/announcements?state=x", asked)).toContain("state=NOT_ALLOWED");
});

test("nobody but an administrator in a session of the admin gateway announces anything", async () => {
  const body = { ...text, audience: {} };
  expect(await office.outcome("POST", "/admin/announcements", { body })).toBe("401 UNAUTHENTICATED");
  for (const { token } of [ann, await office.public.admin()])
    expect(await office.outcome("POST", "/admin/announcements", { token, body })).toBe("401 INVALID_TOKEN");
  const { status } = await office.public.call("POST", "/admin/announcements", { token: admin.token, body });
  expect(status).toBe(404);
});

test("one that is to start later is told at its start, and until then all of it may change", async () => {
  const later = await announce({ startsAt: soon(3_600_000) });
  expect(later.state).toBe("scheduled");
  expect(await shown(later.id)).toBeUndefined();
  const changes = { title: "Soon", audience: { roles: ["student"] }, startsAt: soon(1_500) };
  expect(await change(later.id, changes)).toBe("200");
  const at = Date.parse((await one(later.id)).startsAt);
  await eventually(() => noticed(later.id, ann));
  expect(Date.now()).toBeGreaterThanOrEqual(at);
  expect(await shown(later.id, ann)).toMatchObject({ title: "Soon", version: 2 });
  // For those who are signed in alone.
  expect(await shown(later.id)).toBeUndefined();
  for (const late of [{ audience: {} }, { startsAt: soon(60_000) }])
    expect(await change(later.id, late)).toBe("409 ALREADY_STARTED");
  expect(await change(later.id, { audience: { roles: ["student"] }, level: "info" })).toBe("200");
});

test("a change is seen by whoever has not read it; versions and keys hold", async () => {
  const { id } = await announce({ title: "First" });
  await toldAll(id);
  expect(await change(id, { title: "Second", endsAt: soon(3_600_000) }, { "if-match": '"1"' })).toBe("200");
  expect(await change(id, { title: "Third" }, { "if-match": '"1"' })).toBe("412 PRECONDITION_FAILED");
  expect(await change(id, { endsAt: soon(-3_600_000) })).toBe(
    "422 VALIDATION_FAILED endsAt=ENDS_BEFORE_START",
  );
  await eventually(async () => (await noticed(id, ann))?.title === "Second" || undefined);
  await eventually(async () => (await shown(id))?.title === "Second" || undefined);
  // Nothing is changed, nothing is told.
  expect(await change(id, { title: "Second" })).toBe("200");
  expect((await one(id)).version).toBe(2);
  const key = { "idempotency-key": newId() };
  const post = () =>
    office.ok<Announced>("POST", "/admin/announcements", {
      token: admin.token,
      headers: key,
      body: { ...text, audience: { colleges: ["Nowhere"] } },
    });
  expect((await post()).id).toBe((await post()).id);
});

test("withdrawn, it is gone from the board and from those who have not read it", async () => {
  const bea = await office.public.register();
  const { id } = await announce({ title: "Wrong" });
  await toldAll(id);
  await read(id, ann);
  const unread = (await inbox(bea)).unreadCount;
  expect(await withdraw(id)).toBe("204");
  expect(await withdraw(id)).toBe("204");
  await eventually(async () => ((await noticed(id, bea)) ? undefined : true));
  expect((await inbox(bea)).unreadCount).toBe(unread - 1);
  expect(await noticed(id, ann)).toMatchObject({ title: "Withdrawn: Wrong" });
  await eventually(async () => ((await shown(id)) ? undefined : true));
  expect(await one(id)).toMatchObject({ state: "withdrawn", version: 2, reach: { read: 1 } });
  expect(await change(id, { title: "Right" })).toBe("409 ALREADY_WITHDRAWN");
  // The numbers of those that are gone are not given again: the next notice is one that streams have not seen.
  const next = await announce({ title: "Right" });
  await toldAll(next.id);
  expect(await noticed(next.id, bea)).toMatchObject({ title: "Right" });
});

test("at its end it goes by itself; prolonged, it is told again to whoever has not read it", async () => {
  const bea = await office.public.register();
  const { id } = await announce({ title: "Short", endsAt: soon(4_000) });
  await toldAll(id);
  await read(id, ann);
  expect(await noticed(id, bea)).toBeTruthy();
  await eventually(async () => ((await shown(id)) ? undefined : true), 10_000);
  await eventually(async () => ((await noticed(id, bea)) ? undefined : true));
  expect((await one(id)).state).toBe("ended");
  expect(await noticed(id, ann)).toMatchObject({ title: "Short" });
  expect(await change(id, { endsAt: null })).toBe("200");
  await eventually(() => noticed(id, bea));
  await toldAll(id);
  expect((await inbox(ann)).items.filter(({ subject }) => subject.id === id)).toHaveLength(1);
});

test("it reaches streams, and by mail those who have asked for it", async () => {
  const carl = await office.public.register();
  const channels = { inbox: true, stream: true, email: true };
  await office.public.ok("PUT", "/notifications/preferences", {
    token: carl.token,
    body: { announcement: channels },
  });
  const stream = await EventStream.open(office.public.url, { token: carl.token });
  try {
    await announce({ title: "Heard" });
    await eventually(async () => stream.events.find(({ data }) => data.title === "Heard"));
    const mail = await eventually(
      async () => mails.to(carl.email).find(({ subject }) => subject === "Heard"),
      20_000,
    );
    expect(mail.text).toContain(text.body);
  } finally {
    stream.close();
  }
});

test("the board carries the banner", async () => {
  const value = "The library is closed. 图书馆闭馆。";
  await office.ok("PUT", "/admin/settings/banner.text", { token: admin.token, body: { value } });
  await eventually(async () => (await board()).banner === value || undefined);
});

test("an export has the notices, an erasure takes them, and the read ones are counted no more", async () => {
  const dora = await office.public.register();
  const { id } = await announce({ title: "Kept" });
  await toldAll(id);
  await read(id, dora);
  const before = (await one(id)).reach?.read ?? 0;
  const exported = await office.broker.call<Answer<"notifications.exportUser">, object>(
    "notifications.exportUser",
    { user: dora.id, cursor: null },
  );
  expect(JSON.stringify(exported.records)).toContain(id);
  const { token, password } = dora;
  await office.public.ok("DELETE", "/users/me", { token, body: { password } });
  await eventually(async () => (await one(id)).reach?.read === before - 1 || undefined);
  const later = await announce({ title: "Later" });
  const { people } = await toldAll(later.id);
  expect(people).toBeLessThan((await one(id)).reach?.people ?? 0);
});

test("administrators list them by state, newest first, in pages", async () => {
  const made = [await announce({ startsAt: soon(3_600_000) }), await announce({ startsAt: soon(3_600_000) })];
  const page = (query: string) =>
    office.ok<{ items: Announced[]; nextCursor: string | null }>("GET", `/admin/announcements?${query}`, {
      token: admin.token,
    });
  const first = await page("state=scheduled&limit=1");
  const second = await page(`state=scheduled&limit=1&cursor=${first.nextCursor}`);
  expect([first, second].flatMap(({ items }) => items.map(({ id }) => id))).toEqual(
    made.map(({ id }) => id).toReversed(),
  );
  for (const state of ["current", "ended", "withdrawn"])
    for (const item of (await page(`state=${state}&limit=100`)).items) expect(item.state).toBe(state);
  const cursor = await office.outcome("GET", "/admin/announcements?cursor=x", { token: admin.token });
  expect(cursor).toBe("422 INVALID_CURSOR");
});

describe("whom it is for", () => {
  const COLLEGES = ["Law", "Mathematics", "法学院"];
  const ROLES = ["student", "reviewer", "moderator"] as const;
  interface Model {
    person: Person;
    college: string | null;
    roles: string[];
    clubs: string[];
    suspended: boolean;
  }
  const clubs = [newId(), newId(), newId()];
  const people: Model[] = [];
  const db = (service: string): Database =>
    (office.broker.getLocalService(service) as unknown as { db: Database }).db;

  beforeAll(async () => {
    const now = Date.now();
    for (const [i, id] of clubs.entries())
      await db("clubs").primary.insert("clubs", {
        id,
        name: `Club ${id}`,
        name_key: id,
        sort_key: id,
        summary: "-",
        description: "",
        category: "academic",
        tags: "[]",
        logo_file_id: null,
        join_policy: "open",
        questions: "[]",
        review_stages: '["officer"]',
        status: i === 2 ? "suspended" : "active",
        version: 1,
        revision: 1,
        member_count: 0,
        favorite_count: 0,
        created_by: newId(),
        created_at: now,
        updated_at: now,
        saga_id: newId(),
        ready: 1,
      });
    for (let i = 0; i < 10; i++) {
      const person = await office.public.register();
      const college = COLLEGES[i % 4] ?? null;
      const given = i % 3 === 0 ? [ROLES[1 + (i % 2)] as string] : [];
      const own = clubs.filter((_, n) => (i >> n) % 2 === 1);
      const suspended = i === 7;
      if (given.length > 0) await office.give(person.id, given);
      await db("users").primary.run("UPDATE users SET college = :college, status = :status WHERE id = :id", {
        id: person.id,
        college,
        status: suspended ? "suspended" : "active",
      });
      for (const club of own)
        await db("clubs").primary.insert("members", {
          club_id: club,
          user_id: person.id,
          role: "member",
          title: null,
          joined_at: now,
          version: 1,
        });
      people.push({ person, college, roles: ["student", ...given], clubs: own, suspended });
    }
  }, 60_000);

  const isMeant = ({ roles, clubIds, colleges }: Audience, each: Model): boolean =>
    (!roles || roles.some((role) => each.roles.includes(role))) &&
    (!clubIds || clubIds.some((id) => each.clubs.includes(id))) &&
    (!colleges || colleges.some((college) => college === each.college));
  const some = <V>(values: readonly V[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 });
  const audience = fc.record(
    { roles: some(ROLES), clubIds: some(clubs), colleges: some(COLLEGES) },
    { requiredKeys: [] },
  );

  test("any of a list and all of the lists: the board and the inboxes are as a model says", async () => {
    const audiences = fc.sample(audience, 25);
    const made: Announced[] = [];
    for (const each of audiences) made.push(await announce({}, each));
    const ours = new Set(made.map(({ id }) => id));
    await eventually(
      async () => {
        for (const { id } of made) {
          const { reach } = await one(id);
          if (!reach || reach.told !== reach.people || (reach.people === 0 && !(await settled(id))))
            return undefined;
        }
        return true;
      },
      60_000,
      () => "Not everybody is told.",
    );
    for (const each of people) {
      const meant = made.filter((_, i) => isMeant(audiences[i] as Audience, each)).map(({ id }) => id);
      const told = await office.broker.call<{ items: { subject: { id: string } }[] }, object>(
        "notifications.after",
        { user: each.person.id, seq: 0 },
      );
      const ids = told.items.map(({ subject }) => subject.id).filter((id) => ours.has(id));
      expect(ids.toSorted()).toEqual(each.suspended ? [] : meant.toSorted());
      if (each.suspended) continue;
      const read = (await board(each.person)).items.map(({ id }) => id).filter((id) => ours.has(id));
      expect(read.toSorted()).toEqual(meant.toSorted());
    }
    const open = made.filter((_, i) => Object.keys(audiences[i] ?? {}).length === 0).map(({ id }) => id);
    const read = (await board()).items.map(({ id }) => id).filter((id) => ours.has(id));
    expect(read.toSorted()).toEqual(open.toSorted());
  }, 120_000);

  /** Whether its people, of whom there are none, are looked up. */
  async function settled(id: string): Promise<boolean> {
    const { bulletins } = office.broker.getLocalService("notifications") as unknown as {
      bulletins: { one(id: string): Promise<{ planned: boolean } | null> };
    };
    return (await bulletins.one(id))?.planned === true;
  }
});
