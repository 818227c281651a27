/** Checking in: by the code at the door, and by an officer. */
import fc from "fast-check";
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { codeFor, readCode } from "../../services/activities/check-in-codes.ts";
import { DAY, HOUR, later, MINUTE, plus, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

type Code = Answer<"participations.checkInCode">;
type CheckIn = Answer<"participations.checkIn">;

let hall: Hall;
let club: Club;
let officer: string;
let ada: string;
let ben: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  officer = hall.member(club, "officer");
  [ada, ben] = hall.people(2) as [string, string];
});

/** It begins within the hour. */
const open = (more: object = {}) => hall.activity(club, { startsAt: later(HOUR / 2), ...more });
const codeOf = (id: string, occurrence?: string, as = officer) =>
  hall.ok<Code>("GET", `/activities/${id}/check-in-code${occurrence ? `?occurrence=${occurrence}` : ""}`, {
    as,
  });
const checkIn = (id: string, as: string | undefined, body: unknown) =>
  hall.outcome("POST", `/activities/${id}/check-ins`, { as, body });
/** A code that the activity's key signs, of another time. */
const codeAt = async (id: string, at: number): Promise<string> => {
  const activity = await hall.store.activities.findOne({ _id: id });
  if (!activity) throw new Error("There is no such activity.");
  return codeFor(activity.checkInKey, id, activity.originalStart, at).code;
};

describe("the code at the door", () => {
  test("is short, good for a minute at most, and drawn as SVG", async () => {
    const { id } = await open();
    const before = Date.now();
    const { code, expiresAt, qr } = await codeOf(id);
    expect(code).toMatch(/^[\w-]{20,60}$/);
    const left = Date.parse(expiresAt) - before;
    expect(left).toBeGreaterThan(0);
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_000);
    expect(qr).toMatch(/^(<\?xml[^>]*\?>)?\s*<svg[\s\S]*<\/svg>\s*$/);
    const activity = await hall.store.activities.findOne({ _id: id });
    expect(JSON.stringify(await hall.get(id, officer))).not.toContain(activity?.checkInKey);
  });

  test("is for officers, and is not stored on the way", async () => {
    const { id } = await open();
    const target = `/activities/${id}/check-in-code`;
    expect(await hall.outcome("GET", target)).toBe("401 UNAUTHENTICATED");
    for (const as of [ada, hall.member(club)])
      expect(await hall.outcome("GET", `${target}?x=1`, { as })).toBe("403 FORBIDDEN");
    const { headers } = await hall.call("GET", target, { as: officer });
    expect(headers["cache-control"]).toContain("no-store");
  });

  test("of a series is asked for by occurrence; there is none of what is over or called off", async () => {
    const { id, names } = await hall.series(club, 3, { startsAt: later(-DAY - 3 * HOUR) });
    const code = (occurrence?: string) =>
      hall.outcome("GET", `/activities/${id}/check-in-code${occurrence ? `?occurrence=${occurrence}` : ""}`, {
        as: officer,
      });
    expect(await code()).toBe("422 VALIDATION_FAILED occurrence=REQUIRED");
    expect(await code(plus(names[0] as string, HOUR))).toBe(
      "422 VALIDATION_FAILED occurrence=NO_SUCH_OCCURRENCE",
    );
    expect(await code(names[0])).toBe("409 ACTIVITY_OVER");
    expect(await code(names[2])).toBe("200");
    const body = { reason: "Rain", occurrence: names[2] };
    await hall.ok("POST", `/activities/${id}/cancel`, { as: officer, body });
    expect(await code(names[2])).toBe("409 ACTIVITY_OVER");
  });
});

describe("by the code", () => {
  test("whoever has a place is checked in: 201, again 200, and everyone who looks sees it", async () => {
    const { id, startsAt } = await open();
    await hall.join(id, ada);
    const { code } = await codeOf(id);
    const first = await hall.call<CheckIn>("POST", `/activities/${id}/check-ins`, {
      as: ada,
      body: { code },
    });
    expect([first.status, first.body]).toEqual([
      201,
      { userId: ada, occurrence: startsAt, checkedInAt: expect.any(String) as string },
    ]);
    const again = await hall.call<CheckIn>("POST", `/activities/${id}/check-ins`, {
      as: ada,
      body: { code },
    });
    expect([again.status, again.body]).toEqual([200, first.body]);
    const { checkedInAt } = first.body;
    expect(await hall.ok("GET", `/activities/${id}/participation`, { as: ada })).toEqual({
      status: "confirmed",
      checkedInAt,
    });
    expect(await hall.get(id, ada)).toMatchObject({ myParticipation: { checkedInAt } });
    expect(await hall.ok("GET", `/activities/${id}/participants`, { as: officer })).toMatchObject({
      items: [{ user: { id: ada }, checkedInAt }],
    });
    expect(await hall.leave(id, ada)).toBe("409 SIGN_UP_CLOSED");
  });

  test("ten times at once it is once", async () => {
    const { id } = await open();
    await hall.join(id, ada);
    const { code } = await codeOf(id);
    const all = await Promise.all(Array.from({ length: 10 }, () => checkIn(id, ada, { code })));
    expect(all.toSorted()).toEqual([...Array.from({ length: 9 }, () => "200"), "201"]);
  });

  test("forged, of another activity or stale it is none", async () => {
    const { id } = await open();
    await hall.join(id, ada);
    const { code } = await codeOf(id);
    const other = await codeOf((await open()).id);
    const last = code.endsWith("A") ? "B" : "A";
    const stale = await codeAt(id, Date.now() - 90_000);
    const early = await codeAt(id, Date.now() + 90_000);
    for (const wrong of ["x", `${code.slice(0, -1)}${last}`, other.code, stale, early])
      expect(await checkIn(id, ada, { code: wrong })).toBe("422 INVALID_CODE");
    expect(await hall.ok("GET", `/activities/${id}/participation`, { as: ada })).toMatchObject({
      checkedInAt: null,
    });
    expect(await checkIn(id, ada, { code })).toBe("201");
  });

  test("who is not confirmed hears that, whatever the code", async () => {
    const { id } = await open({ capacity: 1, waitlist: true });
    const [cleo, dan] = hall.people(2) as [string, string];
    for (const person of [cleo, ada, ben]) await hall.join(id, person);
    await hall.leave(id, ben);
    const { code } = await codeOf(id);
    for (const person of [ada, ben, dan, officer]) {
      expect(await checkIn(id, person, { code })).toBe("403 NOT_CONFIRMED");
      expect(await checkIn(id, person, { code: "x" })).toBe("403 NOT_CONFIRMED");
    }
    expect(await checkIn(id, undefined, { code })).toBe("401 UNAUTHENTICATED");
  });

  test("from sixty minutes before the start until the end", async () => {
    const { id } = await hall.activity(club, { startsAt: later(61 * MINUTE) });
    await hall.join(id, ada);
    const check = async () => checkIn(id, ada, { code: (await codeOf(id)).code });
    expect(await check()).toBe("409 CHECK_IN_CLOSED");
    await hall.patch(club, id, { startsAt: later(-3 * HOUR), endsAt: later(-MINUTE) });
    expect(await checkIn(id, ada, { code: await codeAt(id, Date.now()) })).toBe("409 CHECK_IN_CLOSED");
    await hall.patch(club, id, { endsAt: later(MINUTE) });
    expect(await check()).toBe("201");
    await hall.patch(club, id, { startsAt: later(59 * MINUTE), endsAt: later(2 * HOUR) });
    await hall.join(id, ben);
    expect(await checkIn(id, ben, { code: (await codeOf(id)).code })).toBe("201");
  });

  test("of a series says which occurrence", async () => {
    const { id, names } = await hall.series(club, 3, { startsAt: later(HOUR / 2) });
    const [first, second] = names as [string, string];
    await hall.join(id, ada, first);
    await hall.join(id, ben, second);
    const [now, tomorrow] = [await codeOf(id, first), await codeOf(id, second)];
    expect(await checkIn(id, ada, { code: now.code })).toBe("201");
    expect(await checkIn(id, ben, { code: now.code })).toBe("403 NOT_CONFIRMED");
    expect(await checkIn(id, ada, { code: tomorrow.code })).toBe("403 NOT_CONFIRMED");
    expect(await checkIn(id, ben, { code: tomorrow.code })).toBe("409 CHECK_IN_CLOSED");
  });

  test("somebody signed up for one occurrence of a series hears of a forged code that it is none", async () => {
    const { id, names } = await hall.series(club, 3, { startsAt: later(HOUR / 2 - DAY) });
    await hall.join(id, ada, names[1]);
    expect(await checkIn(id, ada, { code: "forged" })).toBe("422 INVALID_CODE");
  });
});

describe("by an officer", () => {
  test("who has a place is checked in, once", async () => {
    const { id } = await open();
    await hall.join(id, ada);
    expect(await checkIn(id, officer, { userId: ada })).toBe("201");
    expect(await checkIn(id, club.president, { userId: ada })).toBe("200");
    expect(await checkIn(id, ada, { code: (await codeOf(id)).code })).toBe("200");
    expect(await checkIn(id, officer, { userId: ben })).toBe("403 NOT_CONFIRMED");
    expect(await checkIn(id, officer, { userId: newId() })).toBe("403 NOT_CONFIRMED");
  });

  test("of that club alone, and within the time", async () => {
    const { id } = await open();
    await hall.join(id, ada);
    for (const as of [ada, hall.member(club), hall.member(hall.club(), "officer")])
      expect(await checkIn(id, as, { userId: ada })).toBe("403 FORBIDDEN");
    await hall.patch(club, id, { startsAt: later(2 * HOUR), endsAt: later(3 * HOUR) });
    expect(await checkIn(id, officer, { userId: ada })).toBe("409 CHECK_IN_CLOSED");
  });

  test("of a series by occurrence", async () => {
    const { id, names } = await hall.series(club, 2, { startsAt: later(HOUR / 2) });
    await hall.join(id, ada, names[0]);
    expect(await checkIn(id, officer, { userId: ada })).toBe("422 VALIDATION_FAILED occurrence=REQUIRED");
    expect(await checkIn(id, officer, { userId: ada, occurrence: later(0) })).toBe(
      "422 VALIDATION_FAILED occurrence=NO_SUCH_OCCURRENCE",
    );
    expect(await checkIn(id, officer, { userId: ada, occurrence: names[0] })).toBe("201");
  });

  test("needs one of the two bodies", async () => {
    const { id } = await open();
    for (const body of [{}, { code: "" }, { userId: "x" }, { code: "x", userId: ada }, { nonsense: 1 }])
      expect(await checkIn(id, officer, body)).toMatch(/^422 VALIDATION_FAILED/);
  });
});

describe("codes", () => {
  const KEY = Buffer.alloc(32, 7).toString("base64url");
  const moments = fc.integer({ min: 0, max: Date.UTC(2100, 0) });

  test("are read until they expire and not after, in their activity alone", () => {
    fc.assert(
      fc.property(moments, moments, fc.integer({ min: 0, max: 100_000 }), (occurrence, now, wait) => {
        const { code, expiresAt } = codeFor(KEY, "a", occurrence, now);
        expect(expiresAt - now).toBeGreaterThan(30_000);
        expect(expiresAt - now).toBeLessThanOrEqual(60_000);
        expect(readCode(KEY, "a", code, now + wait)).toBe(now + wait < expiresAt ? occurrence : null);
        expect(readCode(KEY, "b", code, now)).toBeNull();
        expect(readCode(Buffer.alloc(32, 8).toString("base64url"), "a", code, now)).toBeNull();
      }),
    );
  });

  test("are others every thirty seconds", () => {
    fc.assert(
      fc.property(moments, moments, (occurrence, now) => {
        const code = (at: number) => codeFor(KEY, "a", occurrence, at).code;
        const start = now - (now % 30_000);
        expect(code(now)).toBe(code(start));
        expect(code(start + 29_999)).toBe(code(start));
        expect(code(start + 30_000)).not.toBe(code(start));
      }),
    );
  });

  test("that were changed in any place are none", () => {
    const { code } = codeFor(KEY, "a", 1, 0);
    for (let i = 0; i < code.length; i++)
      for (const letter of ["A", "B", "0", "-"])
        if (code[i] !== letter)
          expect(readCode(KEY, "a", `${code.slice(0, i)}${letter}${code.slice(i + 1)}`, 0)).toBeNull();
  });
});
