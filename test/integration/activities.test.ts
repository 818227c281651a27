/** Planning and publishing: what an activity may be, and who sees it. */
import { randomUUID } from "node:crypto";
import { newId } from "../../lib/ids.ts";
import { DAY, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Activity, Club, Hall } from "../support/activities.ts";

let hall: Hall;
let club: Club;
let officer: string;
let member: string;
let stranger: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  officer = hall.member(club, "officer");
  member = hall.member(club);
  stranger = hall.person("Stranger");
});

const create = (body: unknown, as: string | undefined = officer, of = club.id) =>
  hall.outcome("POST", `/clubs/${of}/activities`, { as, body });
const publish = (id: string, as: string | undefined = officer) =>
  hall.outcome("POST", `/activities/${id}/publish`, { as, body: {} });

describe("a plan", () => {
  test("takes every field and answers a draft with all of them", async () => {
    const startsAt = later(30 * DAY);
    const body = {
      title: "  读书会\u3000第一次 ",
      description: "带上书\r\nBring a book",
      startsAt,
      endsAt: plus(startsAt, 2 * HOUR),
      timezone: "Asia/Shanghai",
      location: "图书馆 3 楼",
      capacity: 20,
      waitlist: true,
      signUpOpensAt: later(DAY),
      signUpClosesAt: plus(startsAt, -HOUR),
      audience: "members",
      recurrence: {
        rrule: "FREQ=DAILY;COUNT=5",
        exdates: [plus(startsAt, DAY)],
        overrides: [
          { occurrence: plus(startsAt, 2 * DAY), startsAt: plus(startsAt, 50 * HOUR), location: "B2" },
        ],
      },
      reminders: [60, 1440],
      attributes: { level: "初级", fee: 12.5, outdoors: false },
    };
    const { status, body: made } = await hall.call("POST", `/clubs/${club.id}/activities`, {
      as: officer,
      body,
    });
    expect(status).toBe(201);
    const expected = {
      ...body,
      title: "读书会\u3000第一次",
      description: "带上书\nBring a book",
      clubId: club.id,
      status: "draft",
      version: 1,
      fileIds: [],
      cancelledOccurrences: [],
      confirmedCount: 0,
      waitlistCount: 0,
      myParticipation: null,
    };
    expect(made).toMatchObject(expected);
    expect(await hall.get(made.id, officer)).toEqual(made);
  });

  test("needs a title, times and a zone; the rest has defaults", async () => {
    const made = await hall.draft(club, { startsAt: later(DAY) });
    expect(made).toMatchObject({
      description: "",
      location: "",
      capacity: null,
      waitlist: false,
      signUpOpensAt: null,
      signUpClosesAt: made.startsAt,
      audience: "everyone",
      recurrence: null,
      reminders: [],
      fileIds: [],
      attributes: {},
    });
    expect(await create({})).toBe(
      "422 VALIDATION_FAILED title=REQUIRED startsAt=REQUIRED endsAt=REQUIRED timezone=REQUIRED",
    );
  });

  test("times with an offset are answered in UTC", async () => {
    const made = await hall.draft(club, {
      startsAt: "2030-05-01T20:00:00+08:00",
      endsAt: "2030-05-01T22:00:00.5+08:00",
    });
    expect([made.startsAt, made.endsAt]).toEqual(["2030-05-01T12:00:00.000Z", "2030-05-01T14:00:00.500Z"]);
  });

  const start = "2030-05-01T12:00:00.000Z";
  const weekly = (more: object) => ({
    startsAt: start,
    recurrence: { rrule: "FREQ=WEEKLY;COUNT=4", ...more },
  });
  test.each<[string, Record<string, unknown>, string]>([
    ["an empty title", { title: " " }, "title=TOO_SHORT"],
    ["a long title", { title: "题".repeat(201) }, "title=TOO_LONG"],
    ["a control character", { title: "a\u0007b" }, "title=INVALID_CHARACTERS"],
    ["an unknown field", { place: "here" }, "place=UNKNOWN_FIELD"],
    ["a time that is none", { startsAt: "tomorrow", endsAt: start }, "startsAt=INVALID_FORMAT"],
    ["a day that is none", { startsAt: "2030-02-30T12:00:00Z", endsAt: start }, "startsAt=INVALID_FORMAT"],
    ["a number for a time", { startsAt: 1_900_000_000_000, endsAt: start }, "startsAt=WRONG_TYPE"],
    ["an end before the start", { endsAt: later(DAY) }, "endsAt=ENDS_BEFORE_START"],
    ["an end at the start", { startsAt: start, endsAt: start }, "endsAt=ENDS_BEFORE_START"],
    ["more than a month", { endsAt: later(60 * DAY) }, "endsAt=LASTS_TOO_LONG"],
    ["an unknown zone", { timezone: "Mars/Olympus" }, "timezone=UNKNOWN_TIME_ZONE"],
    ["room for nobody", { capacity: 0 }, "capacity=TOO_SMALL"],
    ["half a place", { capacity: 1.5 }, "capacity=WRONG_TYPE"],
    [
      "sign-up that closes before it opens",
      { signUpOpensAt: later(6 * DAY), signUpClosesAt: later(5 * DAY) },
      "signUpOpensAt=OPENS_AFTER_CLOSING",
    ],
    ["sign-up that closes after the end", { signUpClosesAt: later(20 * DAY) }, "signUpClosesAt=AFTER_END"],
    ["another audience", { audience: "friends" }, "audience=NOT_ALLOWED"],
    ["a reminder at no time before", { reminders: [0] }, "reminders[0]=TOO_SMALL"],
    ["a reminder twice", { reminders: [10, 10] }, "reminders=DUPLICATE"],
    [
      "21 attributes",
      { attributes: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`a${i}`, i])) },
      "attributes=TOO_MANY",
    ],
    ["an attribute that is not flat", { attributes: { a: { b: 1 } } }, "attributes.a="],
    ["no rule", weekly({ rrule: "every monday" }), "recurrence.rrule=INVALID_RRULE"],
    ["a rule with its name", weekly({ rrule: "RRULE:FREQ=DAILY" }), "recurrence.rrule=RRULE_ONLY_THE_RULE"],
    ["every hour", weekly({ rrule: "FREQ=HOURLY;COUNT=2" }), "recurrence.rrule=RRULE_FREQUENCY"],
    [
      "a rule that yields nothing",
      weekly({ rrule: "FREQ=DAILY;UNTIL=20290101T000000Z" }),
      "recurrence.rrule=RRULE_YIELDS_NOTHING",
    ],
    [
      "a day that never comes",
      weekly({ rrule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }),
      "recurrence.rrule=RRULE_YIELDS_NOTHING",
    ],
    [
      "too many occurrences",
      weekly({ rrule: "FREQ=DAILY;BYHOUR=8,9,10,11" }),
      "recurrence.rrule=TOO_MANY_OCCURRENCES",
    ],
    [
      "an exdate of no occurrence",
      weekly({ exdates: [start, "2030-05-02T12:00:00Z"] }),
      "recurrence.exdates[1]=NO_SUCH_OCCURRENCE",
    ],
    ["an exdate that is no time", weekly({ exdates: ["soon"] }), "recurrence.exdates[0]=INVALID_FORMAT"],
    [
      "an override of no occurrence",
      weekly({ overrides: [{ occurrence: "2030-05-09T12:00:00Z", location: "B" }] }),
      "recurrence.overrides[0].occurrence=NO_SUCH_OCCURRENCE",
    ],
    [
      "two overrides of one",
      weekly({
        overrides: [
          { occurrence: start, location: "A" },
          { occurrence: start, location: "B" },
        ],
      }),
      "recurrence.overrides[1].occurrence=DUPLICATE",
    ],
    [
      "an override that ends before it starts",
      weekly({ overrides: [{ occurrence: start, endsAt: start }] }),
      "recurrence.overrides[0].endsAt=ENDS_BEFORE_START",
    ],
  ])("is refused with %s", async (_, fields, expected) => {
    expect(await create(hall.fields(fields))).toContain(`422 VALIDATION_FAILED ${expected}`);
  });

  test("names every wrong field at once", async () => {
    const wrong = hall.fields({ timezone: "Nowhere", endsAt: later(DAY) });
    expect(await create(wrong)).toMatch(/endsAt=ENDS_BEFORE_START.*timezone=UNKNOWN_TIME_ZONE/);
  });

  test("is for officers of a club that is there and active", async () => {
    const body = hall.fields();
    expect(await create(body, club.president)).toBe("201");
    for (const as of [member, stranger]) expect(await create({ nonsense: 1 }, as)).toBe("403 FORBIDDEN");
    expect(await hall.outcome("POST", `/clubs/${club.id}/activities`, { body })).toBe("401 UNAUTHENTICATED");
    expect(await create({ nonsense: 1 }, officer, newId())).toBe("404 NOT_FOUND");
    expect(await create(body, officer, randomUUID())).toContain("422 VALIDATION_FAILED id=");
    hall.setStatus(club, "suspended");
    expect(await create({ nonsense: 1 })).toContain("422 VALIDATION_FAILED");
    expect(await create({ ...body, timezone: "Nowhere" })).toContain("422 VALIDATION_FAILED timezone=");
    expect(await create(body)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await create(body, stranger)).toBe("404 NOT_FOUND");
  });

  test("with an Idempotency-Key is made once", async () => {
    const body = hall.fields();
    const send = (more: object = {}) =>
      hall.call<Activity & { code?: string }>("POST", `/clubs/${club.id}/activities`, {
        as: officer,
        body: { ...body, ...more },
        key: `key-${club.id}`,
      });
    const first = await send();
    const again = await send();
    expect(again.headers["idempotency-replayed"]).toBe("true");
    expect([again.status, again.body]).toEqual([201, first.body]);
    const other = await send({ title: "Other" });
    expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
    const { items } = await hall.ok<{ items: unknown[] }>(
      "GET",
      `/activities?status=draft&clubId=${club.id}`,
      {
        as: officer,
      },
    );
    expect(items).toHaveLength(1);
  });
});

describe("a draft", () => {
  test("is there for officers alone", async () => {
    const { id } = await hall.draft(club);
    expect(await hall.outcome("GET", `/activities/${id}`, { as: officer })).toBe("200");
    for (const as of [undefined, member, stranger]) {
      expect(await hall.outcome("GET", `/activities/${id}`, { as })).toBe("404 NOT_FOUND");
      for (const target of ["", `?clubId=${club.id}`]) {
        const { items } = await hall.ok<{ items: Activity[] }>("GET", `/activities${target}`, { as });
        expect(items.map((each) => each.id)).not.toContain(id);
      }
    }
    for (const as of [member, stranger]) {
      expect(await hall.outcome("PATCH", `/activities/${id}`, { as, body: { nonsense: 1 } })).toBe(
        "404 NOT_FOUND",
      );
      expect(await publish(id, as)).toBe("404 NOT_FOUND");
      expect(await hall.join(id, as)).toBe("404 NOT_FOUND");
      expect(await hall.mine(id, as)).toBe("404 NOT_FOUND");
    }
    const other = hall.member(hall.club(), "officer");
    expect(await hall.outcome("GET", `/activities/${id}`, { as: other })).toBe("404 NOT_FOUND");
  });

  test("takes no sign-ups", async () => {
    const { id } = await hall.draft(club);
    expect(await hall.join(id, officer)).toBe("409 SIGN_UP_CLOSED");
  });

  test("is published once, and then there for everyone", async () => {
    const { id } = await hall.draft(club);
    const before = Date.now();
    const published = await hall.ok("POST", `/activities/${id}/publish`, { as: officer, body: {} });
    expect(published).toMatchObject({ status: "published", version: 2 });
    expect(Date.parse(published.signUpOpensAt as string)).toBeGreaterThanOrEqual(before);
    const again = await hall.ok("POST", `/activities/${id}/publish`, { as: officer, body: {} });
    expect(again).toMatchObject({ status: "published", version: 2, signUpOpensAt: published.signUpOpensAt });
    for (const as of [undefined, member, stranger])
      expect(await hall.outcome("GET", `/activities/${id}`, { as })).toBe("200");
    expect(await publish(id, stranger)).toBe("403 FORBIDDEN");
    expect(await hall.outcome("POST", `/activities/${id}/publish`, { body: {} })).toBe("401 UNAUTHENTICATED");
  });

  test("that is over before it was published stays one", async () => {
    const { id } = await hall.draft(club, { startsAt: later(-3 * HOUR) });
    expect(await publish(id)).toBe("409 ACTIVITY_OVER");
    expect(await hall.get(id, officer)).toMatchObject({ status: "draft" });
  });

  test("of a club that is not active is not published", async () => {
    const { id } = await hall.draft(club);
    hall.setStatus(club, "suspended");
    expect(await publish(id)).toBe("409 CLUB_NOT_ACTIVE");
  });
});

describe("an activity", () => {
  test("that is not there, or whose id is none", async () => {
    expect(await hall.outcome("GET", `/activities/${newId()}`)).toBe("404 NOT_FOUND");
    expect(await hall.outcome("GET", `/activities/${randomUUID()}`)).toContain("422 VALIDATION_FAILED id=");
    expect(await hall.outcome("PATCH", "/activities/x", { as: officer, body: {} })).toContain(
      "422 VALIDATION_FAILED id=",
    );
  });

  test("says without a user nothing of participation, and with one what it is", async () => {
    const { id } = await hall.activity(club, { capacity: 1, waitlist: true });
    expect(await hall.get(id)).not.toHaveProperty("myParticipation");
    expect(await hall.get(id, member)).toMatchObject({ myParticipation: null });
    await hall.join(id, member);
    await hall.join(id, stranger);
    const { startsAt } = await hall.get(id);
    expect(await hall.get(id, member)).toMatchObject({
      confirmedCount: 1,
      waitlistCount: 1,
      myParticipation: { occurrence: startsAt, status: "confirmed", checkedInAt: null },
    });
    expect(await hall.get(id, stranger)).toMatchObject({
      myParticipation: { status: "waitlisted", position: 1 },
    });
  });

  test("has an ETag that knows the counts and the caller", async () => {
    const { id } = await hall.activity(club);
    const tag = async (as?: string) =>
      (await hall.call("GET", `/activities/${id}`, { as })).headers.etag as string;
    const before = await tag();
    expect(before).toMatch(/^"2\./);
    expect(
      (await hall.call("GET", `/activities/${id}`, { headers: { "if-none-match": before } })).status,
    ).toBe(304);
    await hall.join(id, member);
    expect(await tag()).not.toBe(before);
    expect(await tag(member)).not.toBe(await tag(stranger));
  });

  test("is finished when all of it has ended", async () => {
    const { id } = await hall.activity(club);
    await hall.patch(club, id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
    expect(await hall.get(id)).toMatchObject({ status: "finished" });
    const series = await hall.series(club, 3, { startsAt: later(-DAY - HOUR) });
    expect(await hall.get(series.id)).toMatchObject({ status: "published" });
  });
});
