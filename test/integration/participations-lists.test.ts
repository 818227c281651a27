/** Lists of people for officers, of one's own activities, and what is kept about a person. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { DAY, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Club, Hall, Participants } from "../support/activities.ts";

type Mine = Answer<"participations.mineAll">;

let hall: Hall;
let club: Club;
let officer: string;
let ada: string;
let ben: string;
let cleo: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  officer = hall.member(club, "officer");
  [ada, ben, cleo] = ["Ada", "Ben", "Cleo"].map((name) => hall.person(name)) as [string, string, string];
});

/** Ada is in, Ben and Cleo wait, Dan has left. */
async function filled(): Promise<{ id: string; dan: string; startsAt: string }> {
  const { id, startsAt } = await hall.activity(club, { capacity: 1, waitlist: true });
  const dan = hall.person("Dan");
  for (const person of [ada, dan, ben, cleo]) await hall.join(id, person);
  await hall.leave(id, dan);
  return { id, dan, startsAt };
}
const query = (params: object) => new URLSearchParams({ ...params }).toString();
const list = (id: string, params: object = {}, as = officer) =>
  hall.ok<Participants>("GET", `/activities/${id}/participants?${query(params)}`, { as });
const users = async (id: string, params: object = {}) =>
  (await list(id, params)).items.map(({ user }) => user.id);
const csv = async (id: string, params: object = {}): Promise<string[]> => {
  const target = `/activities/${id}/participants.csv?${query(params)}`;
  return (await hall.ok<string>("GET", target, { as: officer })).trimEnd().split("\r\n");
};

describe("the participants", () => {
  test("stand in order of admission, with how they stand", async () => {
    const { id, dan, startsAt } = await filled();
    const { items, nextCursor } = await list(id);
    const about = { occurrence: startsAt, checkedInAt: null };
    expect(items).toEqual([
      { user: { id: ada, displayName: "Ada", avatarFileId: null }, status: "confirmed", ...about },
      { user: { id: dan, displayName: "Dan", avatarFileId: null }, status: "cancelled", ...about },
      {
        user: { id: ben, displayName: "Ben", avatarFileId: null },
        status: "waitlisted",
        position: 1,
        ...about,
      },
      {
        user: { id: cleo, displayName: "Cleo", avatarFileId: null },
        status: "waitlisted",
        position: 2,
        ...about,
      },
    ]);
    expect(nextCursor).toBeNull();
  });

  test("by status and by occurrence", async () => {
    const { id, dan } = await filled();
    expect(await users(id, { status: "confirmed" })).toEqual([ada]);
    expect(await users(id, { status: "waitlisted" })).toEqual([ben, cleo]);
    expect(await users(id, { status: "cancelled" })).toEqual([dan]);
    const series = await hall.series(club, 3);
    const [first, second] = series.names as [string, string];
    await hall.join(series.id, ada, second);
    await hall.join(series.id, ben, first);
    expect(await users(series.id)).toEqual([ben, ada]);
    expect(await users(series.id, { occurrence: second })).toEqual([ada]);
    expect(await users(series.id, { occurrence: first, status: "waitlisted" })).toEqual([]);
  });

  test("in pages, with positions that go on", async () => {
    const { id, dan } = await filled();
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const page: Participants = await list(id, { limit: 1, ...(cursor && { cursor }) });
      seen.push(...page.items.map(({ user, position }) => [user.id, position]));
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen).toEqual([
      [ada, undefined],
      [dan, undefined],
      [ben, 1],
      [cleo, 2],
    ]);
  });

  test("are for officers", async () => {
    const { id } = await filled();
    for (const name of ["participants", "participants.csv"]) {
      const target = `/activities/${id}/${name}`;
      expect(await hall.outcome("GET", `${target}?x=1`)).toBe("401 UNAUTHENTICATED");
      for (const as of [ada, hall.member(club), hall.member(hall.club(), "officer")])
        expect(await hall.outcome("GET", `${target}?x=1`, { as })).toBe("403 FORBIDDEN");
      expect(await hall.outcome("GET", `${target}?x=1`, { as: officer })).toContain(
        "422 VALIDATION_FAILED x=",
      );
      expect(await hall.outcome("GET", `${target}?status=gone`, { as: officer })).toContain(
        "status=NOT_ALLOWED",
      );
      expect(await hall.outcome("GET", `${target}?occurrence=x`, { as: officer })).toContain(
        "occurrence=INVALID_FORMAT",
      );
      const unknown = `/activities/${newId()}/${name}`;
      expect(await hall.outcome("GET", unknown, { as: officer })).toBe("404 NOT_FOUND");
    }
    expect(await hall.outcome("GET", `/activities/${id}/participants?cursor=x`, { as: officer })).toBe(
      "422 INVALID_CURSOR",
    );
  });
});

describe("the CSV", () => {
  test("has a BOM, Chinese names, and cells that are no formulas", async () => {
    const odd = hall.person('=1+1, "x"', {
      username: "odd",
      college: "理学院",
      major: "-数学",
      grade: "2024",
    });
    const { id, startsAt } = await hall.activity(club, { startsAt: later(HOUR / 2) });
    const chinese = hall.person("王小明", { username: "wang" });
    await hall.join(id, odd);
    await hall.join(id, chinese);
    await hall.ok("POST", `/activities/${id}/check-ins`, { as: officer, body: { userId: chinese } });
    const target = `/activities/${id}/participants.csv`;
    const answer = await hall.call<string>("GET", target, { as: officer });
    expect(answer.headers["content-type"]).toBe("text/csv; charset=utf-8");
    expect(answer.headers["content-disposition"]).toBe('attachment; filename="participants.csv"');
    expect((await hall.bytes(target, officer)).subarray(0, 3).toString("hex")).toBe("efbbbf");
    const [heading, first, second, ...none] = await csv(id);
    expect(heading).toBe(
      "username,displayName,college,major,grade,occurrence,status,position,since,checkedInAt",
    );
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
    expect(first).toMatch(
      new RegExp(String.raw`^odd,"'=1\+1, ""x""",理学院,'-数学,2024,${startsAt},confirmed,,${time},$`),
    );
    expect(second).toMatch(new RegExp(`^wang,王小明,,,,${startsAt},confirmed,,${time},${time}$`));
    expect(none).toEqual([]);
  });

  test("takes the filters of the list", async () => {
    const { id, startsAt } = await filled();
    const names = (lines: string[]) => lines.slice(1).map((line) => line.split(",")[1]);
    expect(names(await csv(id))).toEqual(["Ada", "Dan", "Ben", "Cleo"]);
    const waiting = await csv(id, { status: "waitlisted", occurrence: startsAt });
    expect(names(waiting)).toEqual(["Ben", "Cleo"]);
    expect(waiting.slice(1).map((line) => line.split(",")[7])).toEqual(["1", "2"]);
    expect(names(await csv(id, { occurrence: plus(startsAt, DAY) }))).toEqual([]);
  });
});

describe("one's own activities", () => {
  const mine = (as: string, params: object = {}) =>
    hall.ok<Mine>("GET", `/users/me/activities?${query(params)}`, { as });

  test("past and coming, the latest first, with how one stands", async () => {
    const past = await hall.activity(club, { title: "Past" });
    await hall.join(past.id, ada);
    await hall.patch(club, past.id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
    const coming = await hall.activity(club, { title: "Coming", startsAt: later(9 * DAY), location: "A" });
    await hall.join(coming.id, ada);
    const full = await hall.activity(club, {
      title: "Full",
      startsAt: later(8 * DAY),
      capacity: 1,
      waitlist: true,
    });
    await hall.join(full.id, ben);
    await hall.join(full.id, ada);
    const { items, nextCursor } = await mine(ada);
    expect(
      items.map(({ activity, participation }) => [activity.title, activity.status, participation.status]),
    ).toEqual([
      ["Coming", "published", "confirmed"],
      ["Full", "published", "waitlisted"],
      ["Past", "finished", "confirmed"],
    ]);
    expect(items[0]).toEqual({
      activity: {
        id: coming.id,
        clubId: club.id,
        title: "Coming",
        location: "A",
        timezone: "Asia/Shanghai",
        status: "published",
      },
      startsAt: coming.startsAt,
      endsAt: coming.endsAt,
      participation: { occurrence: coming.startsAt, status: "confirmed", checkedInAt: null },
    });
    expect(items[1]?.participation).toMatchObject({ position: 1 });
    expect(nextCursor).toBeNull();
    expect((await mine(cleo)).items).toEqual([]);
  });

  test("follow what becomes of them", async () => {
    const { id, names } = await hall.series(club, 3);
    const [first, second] = names as [string, string];
    await hall.join(id, ada, first);
    await hall.join(id, ada, second);
    await hall.leave(id, ada, second);
    const overrides = [{ occurrence: second, startsAt: plus(second, HOUR), location: "B2" }];
    await hall.patch(club, id, { title: "New", recurrence: { rrule: "FREQ=DAILY;COUNT=3", overrides } });
    await hall.ok("POST", `/activities/${id}/cancel`, {
      as: officer,
      body: { reason: "x", occurrence: first },
    });
    const { items } = await mine(ada);
    expect(items).toMatchObject([
      {
        activity: { title: "New", location: "B2", status: "published" },
        startsAt: plus(second, HOUR),
        participation: { occurrence: second, status: "cancelled" },
      },
      {
        activity: { title: "New", status: "cancelled" },
        participation: { occurrence: first, status: "confirmed" },
      },
    ]);
  });

  test("in pages", async () => {
    const { id, names } = await hall.series(club, 5);
    for (const name of names) await hall.join(id, ada, name);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Mine = await mine(ada, { limit: 2, ...(cursor && { cursor }) });
      seen.push(...page.items.map(({ startsAt }) => startsAt));
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen).toEqual(names.toReversed());
    expect(await hall.outcome("GET", "/users/me/activities?cursor=x", { as: ada })).toBe(
      "422 INVALID_CURSOR",
    );
    expect(await hall.outcome("GET", "/users/me/activities")).toBe("401 UNAUTHENTICATED");
  });
});

describe("somebody who is erased", () => {
  const erase = async (user: string) => {
    const person = hall.world.people.get(user);
    if (person) person.status = "erased";
    await hall.deliver("participations.onUserErased", "users.erased", { type: "user", id: user });
  };
  const exported = (user: string) =>
    hall.broker.call<Answer<"participations.exportUser">, object>("participations.exportUser", {
      user,
      cursor: null,
    });

  test("frees what is to come, and the first who waits gets it", async () => {
    const { id } = await filled();
    await erase(ada);
    expect(await hall.mine(id, ben)).toBe("confirmed");
    expect(await hall.mine(id, cleo)).toBe("waitlisted 1");
    await erase(cleo);
    expect(await hall.get(id)).toMatchObject({ confirmedCount: 1, waitlistCount: 0 });
    expect((await list(id, { status: "confirmed" })).items.map(({ user }) => user.id)).toEqual([ben]);
  });

  test("leaves of what is over that somebody was there, without the person", async () => {
    const { id } = await hall.activity(club, { startsAt: later(HOUR / 2) });
    await hall.join(id, ada);
    await hall.ok("POST", `/activities/${id}/check-ins`, { as: officer, body: { userId: ada } });
    await hall.patch(club, id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
    await erase(ada);
    expect((await list(id)).items).toEqual([
      {
        user: { id: null, displayName: "deleted user", avatarFileId: null },
        occurrence: expect.any(String) as string,
        status: "confirmed",
        checkedInAt: expect.any(String) as string,
      },
    ]);
    expect(await hall.get(id)).toMatchObject({ confirmedCount: 1 });
    expect((await csv(id))[1]).toMatch(/^,,,,,\d{4}-/);
    const stored = await hall.store.participations.find({ activityId: id });
    expect(JSON.stringify(stored)).not.toContain(ada);
    const [roster] = await hall.store.rosters.find({ activityId: id });
    expect(roster).toBeDefined();
  });

  test("has nothing left to export, and told twice it is the same", async () => {
    const { id, startsAt } = await filled();
    expect((await exported(ada)).records).toEqual([
      {
        activityId: id,
        occurrence: startsAt,
        status: "confirmed",
        since: expect.any(String) as string,
        checkedInAt: null,
      },
    ]);
    await erase(ada);
    await erase(ada);
    expect((await exported(ada)).records).toEqual([]);
    expect(await hall.mine(id, ben)).toBe("confirmed");
  });
});
