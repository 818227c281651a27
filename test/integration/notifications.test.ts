import type { DocumentStore } from "../../lib/documents.ts";
import { newId } from "../../lib/ids.ts";
import { eventually } from "../support/eventually.ts";
import { startNeighbourhood } from "../support/neighbours.ts";
import type { Neighbourhood } from "../support/neighbours.ts";

interface Item {
  id: string;
  kind: string;
  title: string;
  body: string;
  subject: { type: string; id: string };
  createdAt: string;
  readAt: string | null;
}
interface Inbox {
  items: Item[];
  nextCursor: string | null;
  unreadCount: number;
}
interface Problem {
  code: string;
  errors?: { field: string }[];
}

const ON_MESSAGE = "notifications.onMessage";

let near: Neighbourhood;
beforeAll(async () => {
  near = await startNeighbourhood(["notifications"]);
});
afterAll(() => near.stop());

async function list(person: string, query = "", lang?: string): Promise<Inbox> {
  const headers: Record<string, string> = lang ? { "accept-language": lang } : {};
  const { status, body } = await near.call<Inbox>("GET", `/notifications${query}`, { person, headers });
  expect(status).toBe(200);
  return body;
}

/** Waits until nobody is still to be told of a message to many. */
async function allTold(): Promise<void> {
  const { documents } = near.broker.getLocalService("notifications") as unknown as {
    documents: DocumentStore;
  };
  const waiting = await documents.collection("fanOuts", { indexes: [] });
  await eventually(async () => (await waiting.count({})) === 0 || undefined, 60_000);
}

async function titles(person: string): Promise<string[]> {
  return (await list(person)).items.map(({ title }) => title);
}

/** A club with a president, two officers and an applicant. */
function club(name = "Chess") {
  const { world } = near;
  const president = world.person("Pia");
  const officer = world.person("Olaf");
  const second = world.person("Otto");
  const { id } = world.club(name);
  world.officers.set(id, [
    { userId: president, role: "president" },
    { userId: officer, role: "officer" },
    { userId: second, role: "officer" },
  ]);
  return { id, president, officer, second, applicant: world.person("Ada") };
}

/** A message about a new application to the club. */
function application(made: { id: string; applicant: string }, more: object = {}) {
  const aggregate = { type: "application", id: newId(), version: 2 };
  return { aggregate, data: { clubId: made.id, applicantId: made.applicant, ...more } };
}

describe("who is told what", () => {
  test("an application that waits for officers: officers, president and applicant, each their own words", async () => {
    const made = club();
    const message = application(made, { stage: "officer", first: true });
    // The review begins with what the applicant did; that it began is news to them all the same.
    await near.tell(ON_MESSAGE, "applications.advanced", { ...message, actor: made.applicant });
    for (const person of [made.president, made.officer, made.second]) {
      const { items, unreadCount } = await list(person);
      expect(unreadCount).toBe(1);
      expect(items[0]).toMatchObject({
        kind: "application",
        title: "New application to Chess",
        body: "Ada has applied and waits for your decision.",
        subject: { type: "application", id: message.aggregate.id },
        readAt: null,
      });
    }
    expect(await titles(made.applicant)).toEqual(["Your application to Chess is under review"]);
  });

  test("one that an officer hands on to the president: the president alone, and the applicant", async () => {
    const made = club();
    const message = application(made, { stage: "president", first: false });
    await near.tell(ON_MESSAGE, "applications.advanced", { ...message, actor: made.officer });
    expect(await titles(made.president)).toEqual(["An application to Chess needs you"]);
    expect(await titles(made.applicant)).toEqual(["Your application to Chess has passed a stage"]);
    expect(await titles(made.officer)).toEqual([]);
    expect(await titles(made.second)).toEqual([]);
  });

  test("a decision: the applicant and the officers but the one who decided", async () => {
    const made = club();
    const rejected = application(made, { status: "rejected", by: made.officer });
    await near.tell(ON_MESSAGE, "applications.decided", { ...rejected, actor: made.officer });
    expect(await titles(made.applicant)).toEqual(["Your application to Chess was declined"]);
    expect(await titles(made.officer)).toEqual([]);
    expect(await titles(made.president)).toEqual(["An application to Chess was declined"]);
  });

  test("an open club approves by itself: the applicant and every officer", async () => {
    const made = club();
    const approved = application(made, { status: "approved", by: null });
    await near.tell(ON_MESSAGE, "applications.decided", { ...approved, actor: made.applicant });
    expect(await titles(made.applicant)).toEqual(["Your application to Chess was approved"]);
    expect(await titles(made.officer)).toEqual(["An application to Chess was approved"]);
  });

  test("withdrawn: the officers; expired: both sides", async () => {
    const made = club();
    const withdrawn = { ...application(made), actor: made.applicant };
    await near.tell(ON_MESSAGE, "applications.withdrawn", withdrawn);
    expect(await titles(made.applicant)).toEqual([]);
    expect(await titles(made.officer)).toEqual(["An application to Chess was withdrawn"]);
    await near.tell(ON_MESSAGE, "applications.expired", application(made));
    expect(await titles(made.applicant)).toEqual(["Your application to Chess has expired"]);
    expect(await titles(made.president)).toHaveLength(2);
  });

  test("an approved application that made no member", async () => {
    const made = club();
    const applicationId = newId();
    const refused = (reason: string) => ({
      aggregate: { type: "club", id: made.id, version: 3 },
      data: { clubId: made.id, userId: made.applicant, applicationId, reason },
    });
    await near.tell(ON_MESSAGE, "clubs.memberRefused", refused("club"));
    const { items } = await list(made.officer);
    expect(items[0]).toMatchObject({ subject: { type: "application", id: applicationId } });
    expect(items[0]?.body).toContain("Ada did not become a member");
    expect(await titles(made.applicant)).toEqual(["You did not become a member of Chess"]);
    await near.tell(ON_MESSAGE, "clubs.memberRefused", refused("person"));
    expect(await titles(made.applicant)).toHaveLength(1);
    expect(await titles(made.officer)).toHaveLength(2);
  });

  test("a new club: every reviewer but who filed it; the outcome: who filed it, with the comment as written", async () => {
    const reviewer = near.world.person("Rita", { roles: ["reviewer"] });
    const filer = near.world.person("Finn", { roles: ["reviewer"] });
    const { id: clubId } = near.world.club("Go", { status: "pending" });
    const task = newId();
    const opened = { clubId, clubName: "Go", filedBy: filer };
    const aggregate = { type: "review", id: task, version: 1 };
    await near.tell(ON_MESSAGE, "reviews.opened", { aggregate, data: opened, actor: filer });
    const { items } = await list(reviewer);
    expect(items[0]).toMatchObject({
      kind: "review",
      title: "A new club waits for review",
      subject: { type: "review", id: task },
    });
    expect(await titles(filer)).toEqual([]);
    const comment = "Bitte\nSatzung <b>nachreichen</b>.";
    const decided = { ...opened, clubVersion: 1, decision: "rejected", comment, by: reviewer };
    await near.tell(ON_MESSAGE, "reviews.decided", { aggregate, data: decided, actor: reviewer });
    expect((await list(filer)).items[0]).toMatchObject({
      kind: "review",
      title: "Go was not approved",
      body: comment,
      subject: { type: "club", id: clubId },
    });
    expect(await titles(reviewer)).toHaveLength(1);
    // The club's own message about it says nothing new.
    near.world.officers.set(clubId, [{ userId: filer, role: "president" }]);
    const changed = { name: "Go", from: "pending", to: "rejected", reason: comment, by: reviewer };
    await near.tell(ON_MESSAGE, "clubs.statusChanged", {
      aggregate: { type: "club", id: clubId, version: 2 },
      data: changed,
    });
    expect(await titles(filer)).toHaveLength(1);
  });

  test("a club that is suspended, active again, dissolved: its officers, never who did it", async () => {
    const made = club();
    const admin = near.world.person("Anna");
    const about = { aggregate: { type: "club", id: made.id, version: 2 }, actor: admin };
    const change = (from: string, to: string, reason: string | null) => ({
      ...about,
      data: { name: "Chess", from, to, reason, by: admin },
    });
    await near.tell(ON_MESSAGE, "clubs.statusChanged", change("active", "suspended", "No report"));
    await near.tell(ON_MESSAGE, "clubs.statusChanged", change("suspended", "active", null));
    const dissolved = { ...about, actor: made.president, data: { name: "Chess", from: "active" } };
    await near.tell(ON_MESSAGE, "clubs.deleted", dissolved);
    const { items } = await list(made.officer);
    expect(items.map(({ title }) => title)).toEqual([
      "Chess was dissolved",
      "Chess is active again",
      "Chess was suspended",
    ]);
    expect(items[2]).toMatchObject({ kind: "membership", body: "No report" });
    expect(await titles(made.president)).toHaveLength(2);
  });

  test("membership: whom it concerns, when another did it", async () => {
    const made = club();
    const { applicant: person, president, id: clubId } = made;
    const about = (data: object, actor: string | null = president) => ({
      aggregate: { type: "club", id: clubId, version: 2 },
      actor,
      data: { clubId, userId: person, ...data },
    });
    const offer = about({ expiresAt: Date.UTC(2030, 0, 2, 3, 4) });
    await near.tell(ON_MESSAGE, "clubs.memberRoleChanged", about({ role: "officer", by: president }));
    await near.tell(ON_MESSAGE, "clubs.transferOffered", offer);
    await near.tell(ON_MESSAGE, "clubs.memberRoleChanged", about({ role: "president", by: person }, person));
    await near.tell(ON_MESSAGE, "clubs.memberLeft", about({ by: person }, person));
    await near.tell(ON_MESSAGE, "clubs.memberLeft", about({ by: null }, null));
    await near.tell(ON_MESSAGE, "clubs.memberLeft", about({ by: president }));
    const { items } = await list(person);
    expect(items.map(({ body }) => body)).toEqual([
      "You were taken off the list of members.",
      "Accept it by 2030-01-02 03:04 UTC; after that the offer ends.",
      "You are an officer now.",
    ]);
    expect(items[0]?.subject).toEqual({ type: "club", id: clubId });
  });

  test("a message that comes again, even twice at once, tells nobody twice", async () => {
    const made = club();
    const message = { id: newId(), ...application(made) };
    await near.tell(ON_MESSAGE, "applications.expired", message);
    await near.call("POST", "/notifications/read", { person: made.officer, body: { all: true } });
    await Promise.all([1, 2].map(() => near.tell(ON_MESSAGE, "applications.expired", message)));
    const { items, unreadCount } = await list(made.officer);
    expect(items).toHaveLength(1);
    expect(unreadCount).toBe(0);
    expect(await titles(made.applicant)).toHaveLength(1);
  });

  test("a message whose recipients cannot be asked for is refused, so that it comes again", async () => {
    const made = club();
    near.world.away.add("members");
    const message = application(made);
    await expect(near.tell(ON_MESSAGE, "applications.expired", message)).rejects.toThrow();
    near.world.away.delete("members");
    expect(await titles(made.applicant)).toEqual([]);
    await near.tell(ON_MESSAGE, "applications.expired", message);
    expect(await titles(made.applicant)).toHaveLength(1);
  });

  test("a message to 1,201 reviewers reaches each of them", async () => {
    const crowd = Array.from({ length: 1201 }, () => near.world.person("R", { roles: ["reviewer"] }));
    const { id: clubId } = near.world.club("Big");
    await near.tell(ON_MESSAGE, "reviews.opened", {
      aggregate: { type: "review", id: newId(), version: 1 },
      data: { clubId, clubName: "Big", filedBy: near.world.person("F") },
    });
    for (const person of [crowd[0], crowd[500], crowd[1000], crowd[1200]] as string[])
      await eventually(async () => (await list(person)).unreadCount === 1 || undefined, 30_000);
    await allTold();
    for (const id of crowd) near.world.people.delete(id);
  });
});

describe("people who are signed up for an activity", () => {
  const startsAt = Date.UTC(2026, 8, 1, 8, 30);
  const occurrence = Date.UTC(2026, 8, 1, 6);

  /** An activity with people who are signed up for it. */
  function activity(timezone?: string) {
    const { world } = near;
    const clubId = world.club("围棋社").id;
    const id = world.activity(clubId, "Open Go", timezone);
    const [first, second] = [world.person("Ann"), world.person("Bob")];
    return { id, clubId, first, second, outsider: world.person("Oda"), users: [first, second] };
  }
  /** A message about an occurrence of the activity. */
  const roster = (made: { id: string; clubId: string; users: string[] }, more: object = {}) => ({
    aggregate: { type: "roster", id: `${made.id}:${occurrence}`, version: 4 },
    data: { activityId: made.id, clubId: made.clubId, occurrence, startsAt, users: made.users, ...more },
  });
  const both = async (person: string) => {
    const [en] = (await list(person, "?limit=1", "en")).items;
    const [zh] = (await list(person, "?limit=1", "zh-CN")).items;
    return [en, zh].map((item) => [item?.title, item?.body]);
  };

  test("each event in both languages: kind, subject, when by the activity's clock, and who is told", async () => {
    const made = activity();
    await near.tell(ON_MESSAGE, "participations.promoted", roster(made));
    expect((await list(made.first)).items[0]).toMatchObject({
      kind: "waitlist",
      subject: { type: "activity", id: made.id },
      readAt: null,
    });
    expect(await both(made.first)).toEqual([
      [
        "You have a place in Open Go of 围棋社",
        "You have moved up from the waitlist. It begins on Tuesday, September 1, 2026 at 16:30 GMT+8.",
      ],
      [
        "您已获得围棋社的Open Go的名额",
        "您已从候补转为正式参加，活动将于 2026年9月1日星期二 GMT+8 16:30 开始。",
      ],
    ]);
    await near.tell(
      ON_MESSAGE,
      "participations.moved",
      roster(made, { endsAt: startsAt + 3_600_000, location: "二教 203" }),
    );
    expect(await both(made.first)).toEqual([
      [
        "The time or place of Open Go of 围棋社 has changed",
        "It now begins on Tuesday, September 1, 2026 at 16:30 GMT+8 and ends on Tuesday, September 1, 2026 at 17:30 GMT+8. Place: 二教 203.",
      ],
      [
        "围棋社的Open Go的时间或地点有变",
        "活动现定于 2026年9月1日星期二 GMT+8 16:30 开始，2026年9月1日星期二 GMT+8 17:30 结束。地点：二教 203。",
      ],
    ]);
    await near.tell(ON_MESSAGE, "participations.reminded", roster(made, { location: "", minutes: 30 }));
    expect(await both(made.first)).toEqual([
      ["Reminder: Open Go of 围棋社", "It begins on Tuesday, September 1, 2026 at 16:30 GMT+8."],
      ["提醒：围棋社的Open Go", "活动将于 2026年9月1日星期二 GMT+8 16:30 开始。"],
    ]);
    await near.tell(
      ON_MESSAGE,
      "participations.calledOff",
      roster(made, { reason: "Regen,\n场地关闭", dissolved: false }),
    );
    expect(await both(made.first)).toEqual([
      [
        "Open Go of 围棋社 was cancelled",
        "It was to begin on Tuesday, September 1, 2026 at 16:30 GMT+8.\nRegen,\n场地关闭",
      ],
      ["围棋社的Open Go已取消", "活动原定于 2026年9月1日星期二 GMT+8 16:30 开始。\nRegen,\n场地关闭"],
    ]);
    await near.tell(ON_MESSAGE, "participations.calledOff", roster(made, { reason: null, dissolved: true }));
    expect((await list(made.first)).items[0]?.body).toContain("The club was dissolved.");
    for (const person of made.users) {
      const { items } = await list(person);
      expect(items.map(({ kind }) => kind)).toEqual([
        "activity",
        "activity",
        "reminder",
        "activity",
        "waitlist",
      ]);
      expect(new Set(items.map(({ subject }) => subject.id))).toEqual(new Set([made.id]));
    }
    expect(await titles(made.outsider)).toEqual([]);
  });

  test("a page names many activities, each by its title of now and its own clock", async () => {
    const { first: reader, ...made } = activity("America/New_York");
    const other = { ...activity("Asia/Kolkata"), users: [reader] };
    await near.tell(ON_MESSAGE, "participations.reminded", roster(made, { location: "", minutes: 5 }));
    await near.tell(ON_MESSAGE, "participations.reminded", roster(other, { location: "", minutes: 5 }));
    const known = near.world.activities.get(other.id);
    if (known) known.title = "Go by Night";
    const { items } = await list(reader);
    expect(items.map(({ title, body }) => [title, body])).toEqual([
      ["Reminder: Go by Night of 围棋社", "It begins on Tuesday, September 1, 2026 at 14:00 GMT+5:30."],
      ["Reminder: Open Go of 围棋社", "It begins on Tuesday, September 1, 2026 at 04:30 EDT."],
    ]);
  });

  test("an inbox can be read while activities is away, and when the activity is gone", async () => {
    const made = activity();
    const neutral = [
      ["Reminder: an activity of 围棋社", "It begins on 2026-09-01 08:30 UTC."],
      ["提醒：围棋社的某活动", "活动将于 2026-09-01 08:30 UTC 开始。"],
    ];
    near.world.away.add("activities");
    try {
      await near.tell(ON_MESSAGE, "participations.reminded", roster(made, { location: "", minutes: 5 }));
      expect(await both(made.first)).toEqual(neutral);
    } finally {
      near.world.away.clear();
    }
    expect((await list(made.first)).items[0]?.title).toBe("Reminder: Open Go of 围棋社");
    near.world.activities.delete(made.id);
    expect(await both(made.first)).toEqual(neutral);
  });

  test("a message that comes again, even twice at once, tells nobody twice", async () => {
    const made = activity();
    const message = { id: newId(), ...roster(made) };
    await near.tell(ON_MESSAGE, "participations.promoted", message);
    await near.call("POST", "/notifications/read", { person: made.first, body: { all: true } });
    await Promise.all([1, 2].map(() => near.tell(ON_MESSAGE, "participations.promoted", message)));
    const { items, unreadCount } = await list(made.first);
    expect(items).toHaveLength(1);
    expect(unreadCount).toBe(0);
    expect(await titles(made.second)).toHaveLength(1);
  });

  test("a message to 1,500 reaches each of them but those who are erased or unknown", async () => {
    const made = activity();
    const users = Array.from({ length: 1500 }, () => near.world.person("P"));
    const gone = [users[0], users[700], users[1499]] as string[];
    for (const id of gone.slice(1)) (near.world.people.get(id) as { status: string }).status = "erased";
    near.world.people.delete(gone[0] as string);
    const crowded = roster({ ...made, users }, { reason: "Rain" });
    await near.tell(ON_MESSAGE, "participations.calledOff", crowded);
    await allTold();
    const told = async (user: string) => {
      const { records } = await near.broker.call<{ records: unknown[] }, object>("notifications.exportUser", {
        user,
        cursor: null,
      });
      return records.length;
    };
    const counts: number[] = [];
    for (const user of users) counts.push(await told(user));
    expect(counts).toEqual(users.map((user) => (gone.includes(user) ? 0 : 1)));
    for (const id of users) near.world.people.delete(id);
  });

  test("ids and plain values are kept, no title and no sentence", async () => {
    const made = activity();
    await near.tell(ON_MESSAGE, "participations.moved", roster(made, { endsAt: 3_000, location: "B 203" }));
    const { records } = await near.broker.call<{ records: unknown[] }, object>("notifications.exportUser", {
      user: made.first,
      cursor: null,
    });
    expect(records).toEqual([
      {
        id: expect.any(String),
        kind: "activity",
        event: "participation.moved",
        subject: { type: "activity", id: made.id },
        values: {
          activityId: made.id,
          clubId: made.clubId,
          occurrence,
          startsAt,
          endsAt: 3_000,
          location: "B 203",
        },
        createdAt: expect.any(String),
        readAt: null,
      },
    ]);
  });
});

describe("in the reader's language", () => {
  test("by Accept-Language, each time anew", async () => {
    const made = club("围棋社");
    await near.tell(ON_MESSAGE, "applications.withdrawn", application(made));
    expect((await list(made.officer, "", "zh")).items[0]).toMatchObject({
      title: "围棋社的一份入会申请已撤回",
      body: "Ada的申请已撤回，无需再处理。",
    });
    expect((await list(made.officer, "", "de, en;q=0.5")).items[0]?.title).toBe(
      "An application to 围棋社 was withdrawn",
    );
  });

  test("names are those of now; who is erased and what is gone is named neutrally", async () => {
    const made = club();
    await near.tell(ON_MESSAGE, "applications.withdrawn", application(made));
    near.world.change(made.id, { name: "Chess & Go" });
    expect((await list(made.officer)).items[0]?.title).toBe("An application to Chess & Go was withdrawn");
    near.world.clubs.delete(made.id);
    const applicant = near.world.people.get(made.applicant);
    if (applicant) applicant.status = "erased";
    const { items } = await list(made.officer);
    expect(items[0]?.title).toBe("An application to a club was withdrawn");
    expect(items[0]?.body).toContain("deleted user");
    expect((await list(made.officer, "", "zh-CN")).items[0]?.body).toContain("已注销用户");
  });

  test("an inbox can be read while users and clubs are away", async () => {
    const made = club();
    await near.tell(ON_MESSAGE, "applications.withdrawn", application(made));
    near.world.away.add("users").add("clubs");
    try {
      const { items } = await list(made.officer);
      expect(items[0]).toMatchObject({
        title: "An application to a club was withdrawn",
        body: expect.stringContaining("somebody"),
      });
    } finally {
      near.world.away.clear();
    }
  });
});

describe("the list", () => {
  test("pages newest first, nothing twice and nothing left out while more come", async () => {
    const made = club();
    const at = Date.now() - 60_000;
    // Several at the same millisecond.
    for (let i = 0; i < 12; i++)
      await near.tell(ON_MESSAGE, "applications.expired", { ...application(made), at: at + (i >> 2) });
    const seen: string[] = [];
    let query = "?limit=5";
    for (let page = 0; page < 4; page++) {
      const { items, nextCursor, unreadCount } = await list(made.officer, query);
      expect(unreadCount).toBe(12 + page);
      seen.push(...items.map(({ id }) => id));
      await near.tell(ON_MESSAGE, "applications.expired", application(made));
      if (!nextCursor) break;
      query = `?limit=5&cursor=${nextCursor}`;
    }
    expect(seen).toHaveLength(12);
    expect(new Set(seen).size).toBe(12);
    const { items } = await list(made.officer, "?limit=100");
    const times = items.map(({ createdAt }) => createdAt);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  test("unread=true leaves out what was read", async () => {
    const made = club();
    for (let i = 0; i < 3; i++) await near.tell(ON_MESSAGE, "applications.expired", application(made));
    const { items } = await list(made.officer);
    const ids = [items[1]?.id];
    await near.call("POST", "/notifications/read", { person: made.officer, body: { ids } });
    const unread = await list(made.officer, "?unread=true");
    expect(unread.items.map(({ id }) => id)).toEqual([items[0]?.id, items[2]?.id]);
    expect(unread.unreadCount).toBe(2);
    expect((await list(made.officer, "?unread=false")).items).toHaveLength(3);
  });

  test.each([
    ["/notifications", undefined, 401, "UNAUTHENTICATED"],
    ["/notifications?limit=0", "me", 422, "VALIDATION_FAILED"],
    ["/notifications?limit=101", "me", 422, "VALIDATION_FAILED"],
    ["/notifications?unread=maybe", "me", 422, "VALIDATION_FAILED"],
    ["/notifications?kind=review", "me", 422, "VALIDATION_FAILED"],
    ["/notifications?cursor=nonsense", "me", 422, "INVALID_CURSOR"],
    ["/notifications?cursor=WyJub3RpZmljYXRpb25zIiwxLDJd", "me", 422, "INVALID_CURSOR"],
  ])("GET %s of %s: %i %s", async (target, who, status, code) => {
    const person = who && near.world.person("Me");
    const answer = await near.call<Problem>("GET", target, { ...(person && { person }) });
    expect(answer).toMatchObject({ status, body: { code } });
  });

  test("an empty inbox", async () => {
    expect(await list(near.world.person("New"))).toEqual({ items: [], nextCursor: null, unreadCount: 0 });
  });
});

describe("reading", () => {
  const read = (person: string | undefined, body: unknown, key?: string) =>
    near.call<{ unreadCount: number } & Problem>("POST", "/notifications/read", {
      ...(person && { person }),
      body,
      headers: key ? { "idempotency-key": key } : {},
    });

  test("some, again, unknown ones, and all", async () => {
    const made = club();
    for (let i = 0; i < 4; i++) await near.tell(ON_MESSAGE, "applications.expired", application(made));
    const { items } = await list(made.officer);
    const [first, second] = items as [Item, Item];
    expect(await read(made.officer, { ids: [first.id, "unknown"] })).toMatchObject({
      status: 200,
      body: { unreadCount: 3 },
    });
    const { readAt } = (await list(made.officer)).items[0] as Item;
    expect(readAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect((await read(made.officer, { ids: [first.id, second.id] })).body.unreadCount).toBe(2);
    // What was read keeps its time.
    expect((await list(made.officer)).items[0]?.readAt).toBe(readAt);
    expect((await read(made.officer, { all: true })).body.unreadCount).toBe(0);
    expect((await read(made.officer, { all: true })).body.unreadCount).toBe(0);
  });

  test("nobody reads what is another's", async () => {
    const made = club();
    await near.tell(ON_MESSAGE, "applications.expired", application(made));
    const [item] = (await list(made.officer)).items as [Item];
    expect((await read(made.second, { ids: [item.id] })).body.unreadCount).toBe(1);
    expect((await read(made.second, { all: true })).body.unreadCount).toBe(0);
    expect((await list(made.officer)).unreadCount).toBe(1);
  });

  test("two at once", async () => {
    const made = club();
    for (let i = 0; i < 3; i++) await near.tell(ON_MESSAGE, "applications.expired", application(made));
    const answers = await Promise.all([1, 2].map(() => read(made.officer, { all: true })));
    expect(answers.map(({ body }) => body.unreadCount)).toEqual([0, 0]);
  });

  test("an Idempotency-Key: the first answer again, another body refused, a key of another person its own", async () => {
    const made = club();
    const tell = () => near.tell(ON_MESSAGE, "applications.expired", application(made));
    await tell();
    const first = await read(made.officer, { all: true }, "k1");
    expect(first.headers["idempotency-replayed"]).toBeUndefined();
    expect(first.body.unreadCount).toBe(0);
    await tell();
    const again = await read(made.officer, { all: true }, "k1");
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(again.headers["idempotency-replayed"]).toBe("true");
    expect((await list(made.officer)).unreadCount).toBe(1);
    const other = await read(made.officer, { ids: ["x"] }, "k1");
    expect(other).toMatchObject({ status: 422, body: { code: "IDEMPOTENCY_KEY_REUSED" } });
    const another = await read(made.second, { all: true }, "k1");
    expect(another.headers["idempotency-replayed"]).toBeUndefined();
  });

  test.each([
    [undefined, { all: true }, 401],
    ["me", {}, 422],
    ["me", { all: false }, 422],
    ["me", { ids: [] }, 422],
    ["me", { ids: [1] }, 422],
    ["me", { ids: ["x"], all: true }, 422],
    ["me", { ids: ["x"], more: 1 }, 422],
    ["me", [], 422],
    ["me", undefined, 422],
  ])("%s sends %j: %i", async (who, body, status) => {
    const person = who && near.world.person("Me");
    const answer = await read(person, body);
    expect(answer.status).toBe(status);
    if (status === 422) expect(answer.body.errors?.length).toBeGreaterThan(0);
  });
});

describe("erasure and export", () => {
  test("what is erased is gone, and later messages for that person have no effect", async () => {
    const made = club();
    const { officer } = made;
    await near.tell(ON_MESSAGE, "applications.expired", application(made));
    await near.call("POST", "/notifications/read", {
      person: officer,
      body: { all: true },
      headers: { "idempotency-key": "mine" },
    });
    const person = near.world.people.get(officer);
    if (person) person.status = "erased";
    const erased = { aggregate: { type: "user", id: officer, version: 9 } };
    await near.tell("notifications.onUserErased", "users.erased", erased);
    expect((await list(officer)).items).toEqual([]);
    await near.tell(ON_MESSAGE, "applications.expired", application(made));
    expect((await list(officer)).items).toEqual([]);
    expect(await titles(made.second)).toHaveLength(2);
    const again = await near.call("POST", "/notifications/read", {
      person: officer,
      body: { all: true },
      headers: { "idempotency-key": "mine" },
    });
    expect(again.headers["idempotency-replayed"]).toBeUndefined();
  });

  test("the export has everything, in pages", async () => {
    const made = club();
    for (let i = 0; i < 205; i++) await near.tell(ON_MESSAGE, "applications.expired", application(made));
    const records: Record<string, unknown>[] = [];
    let cursor: string | null = null;
    do {
      const page: { records: Record<string, unknown>[]; nextCursor: string | null } = await near.broker.call(
        "notifications.exportUser",
        { user: made.officer, cursor },
      );
      records.push(...page.records);
      cursor = page.nextCursor;
    } while (cursor);
    expect(records).toHaveLength(205);
    expect(new Set(records.map(({ id }) => id)).size).toBe(205);
    expect(records[0]).toEqual({
      id: expect.any(String),
      kind: "application",
      event: "application.lapsed",
      subject: { type: "application", id: expect.any(String) },
      values: { clubId: made.id, personId: made.applicant },
      createdAt: expect.any(String),
      readAt: null,
    });
  });
});

test("what was told and read is still so after a restart, and no sentence or name is stored", async () => {
  const made = club();
  await near.tell(ON_MESSAGE, "applications.expired", application(made));
  const key = { "idempotency-key": "before" };
  const body = { all: true };
  await near.call("POST", "/notifications/read", { person: made.officer, body, headers: key });
  await near.tell(ON_MESSAGE, "applications.expired", application(made));
  const before = await list(made.officer);
  const { world, dataDir } = near;
  await near.stop({ keep: true });
  near = await startNeighbourhood(["notifications"], { world, env: { DATA_DIR: dataDir } });
  expect(await list(made.officer)).toEqual(before);
  const again = await near.call("POST", "/notifications/read", { person: made.officer, body, headers: key });
  expect(again).toMatchObject({ status: 200, body: { unreadCount: 0 } });
  expect(again.headers["idempotency-replayed"]).toBe("true");
  const { records } = await near.broker.call<{ records: unknown[] }, object>("notifications.exportUser", {
    user: made.officer,
    cursor: null,
  });
  expect(JSON.stringify(records)).not.toMatch(/Ada|Chess|expired/);
});
