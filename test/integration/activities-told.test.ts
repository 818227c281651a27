/** Activities through the whole federation: what people are told, and what becomes of those who go. */
import type { Answer } from "../../lib/declare.ts";
import { DAY, HOUR, later, MINUTE, plus } from "../support/activities.ts";
import type { Activity, Participants } from "../support/activities.ts";
import { eventually, startFederation } from "../support/federation.ts";
import type { Federation, Person } from "../support/federation.ts";

interface Inbox {
  items: { title: string; body: string; kind: string; subject: { type: string; id: string } }[];
}

let all: Federation;
let president: Person;
let reviewer: Person;
let ada: Person;
let ben: Person;
let club: string;
beforeAll(async () => {
  all = await startFederation();
  [president, reviewer] = [await all.register("pia"), await all.register("rita")];
  const { token } = await all.admin();
  await all.ok("PUT", `/users/${reviewer.id}/roles`, { token, body: { roles: ["reviewer"] } });
  club = await all.foundClub(president, reviewer, { name: "读书社" });
}, 90_000);
afterAll(() => all?.stop());
beforeEach(async () => void ([ada, ben] = [await all.register(), await all.register()]));

const inbox = async ({ token }: Person, language = "en") =>
  (
    await all.ok<Inbox>("GET", "/notifications?limit=100", {
      token,
      headers: { "accept-language": language },
    })
  ).items;
/** The notices about an activity, once there are so many. */
const told = (person: Person, id: string, count = 1) =>
  eventually(async () => {
    const about = (await inbox(person)).filter(({ subject }) => subject.id === id);
    return about.length >= count ? about : undefined;
  });

async function activity(more: object = {}, of = club): Promise<Activity> {
  const { token } = president;
  const startsAt = later(2 * HOUR);
  const body = { title: "夜读", startsAt, endsAt: plus(startsAt, HOUR), timezone: "Asia/Shanghai", ...more };
  const { id } = await all.ok<Activity>("POST", `/clubs/${of}/activities`, { token, body });
  return all.ok("POST", `/activities/${id}/publish`, { token, body: {} });
}
const join = (id: string, ...people: Person[]) =>
  Promise.all(
    people.map(({ token }) => all.ok("PUT", `/activities/${id}/participation`, { token, body: {} })),
  );
const statusOf = async (id: string, { token }: Person) =>
  (await all.ok<{ status: string }>("GET", `/activities/${id}/participation`, { token })).status;
const participants = async (id: string) =>
  (await all.ok<Participants>("GET", `/activities/${id}/participants`, { token: president.token })).items;
const erase = ({ token, password }: Person) => all.ok("DELETE", "/users/me", { token, body: { password } });

test("whoever is signed up is told of a new time, reminded, and told when it is called off", async () => {
  const { id } = await activity({ reminders: [60] });
  await join(id, ada);
  const { token } = president;
  const startsAt = later(HOUR + 3_000);
  await all.ok("PATCH", `/activities/${id}`, {
    token,
    body: { startsAt, endsAt: plus(startsAt, HOUR), location: "B2" },
  });
  const reminded = await told(ada, id, 2);
  expect(reminded.map(({ kind }) => kind).toSorted()).toEqual(["activity", "reminder"]);
  expect(reminded.find(({ kind }) => kind === "activity")?.body).toContain("B2");
  await all.ok("POST", `/activities/${id}/cancel`, { token, body: { reason: "下雨" } });
  const [last] = await told(ada, id, 3);
  expect(last).toMatchObject({ kind: "activity", subject: { type: "activity", id } });
  expect(last?.title).toContain("夜读");
  expect(last?.body).toContain("下雨");
  const chinese = (await inbox(ada, "zh-CN")).filter(({ subject }) => subject.id === id);
  expect(chinese[0]?.title).toMatch(/夜读.*取消/);
  expect((await inbox(ben)).filter(({ subject }) => subject.id === id)).toEqual([]);
});

test("who moves up from the waitlist is told so, by the person's own choice of ways", async () => {
  const { id } = await activity({ capacity: 1, waitlist: true });
  await join(id, ada);
  await join(id, ben);
  await all.ok("DELETE", `/activities/${id}/participation`, { token: ada.token });
  expect(await statusOf(id, ben)).toBe("confirmed");
  expect(await told(ben, id)).toMatchObject([{ kind: "waitlist" }]);
  expect((await inbox(ada)).filter(({ subject }) => subject.id === id)).toEqual([]);
});

test("who is erased frees the place for the first who waits, and is gone from the list", async () => {
  const { id } = await activity({ capacity: 1, waitlist: true });
  await join(id, ada);
  await join(id, ben);
  await erase(ada);
  await eventually(async () => (await statusOf(id, ben)) === "confirmed" || undefined);
  await told(ben, id);
  const left = await participants(id);
  expect(left.filter(({ status }) => status === "confirmed").map(({ user }) => user.id)).toEqual([ben.id]);
  expect(JSON.stringify(left)).not.toContain(ada.id);
  await eventually(async () => {
    const { receipts } = await all.broker.call<Answer<"users.erasure">, object>("users.erasure", {
      id: ada.id,
    });
    return receipts.find(({ consumer }) => consumer === "participations.onUserErased")?.done || undefined;
  });
});

test("who is erased stays without a name in what is over", async () => {
  const { id } = await activity({ startsAt: later(30 * MINUTE), endsAt: later(HOUR) });
  await join(id, ada);
  const { token } = president;
  const checkIn = { token, body: { userId: ada.id } };
  expect((await all.call("POST", `/activities/${id}/check-ins`, checkIn)).status).toBe(201);
  const body = { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) };
  await all.ok("PATCH", `/activities/${id}`, { token, body });
  await erase(ada);
  await eventually(async () => (await participants(id))[0]?.user.id === null || undefined);
  expect(await participants(id)).toMatchObject([
    {
      user: { id: null, displayName: "deleted user" },
      status: "confirmed",
      checkedInAt: expect.any(String) as string,
    },
  ]);
});

test("the export of one's data has the participations", async () => {
  const { id, startsAt } = await activity();
  await join(id, ada);
  const { domains } = await all.ok<{ domains: Record<string, unknown> }>("GET", "/users/me/export", {
    token: ada.token,
  });
  expect(domains["participations"]).toEqual([
    {
      activityId: id,
      occurrence: startsAt,
      status: "confirmed",
      since: expect.any(String) as string,
      checkedInAt: null,
    },
  ]);
});

test("members only: by an application that was approved a moment ago", async () => {
  const { id } = await activity({ audience: "members" });
  const refused = await all.call<{ code: string }>("PUT", `/activities/${id}/participation`, {
    token: ada.token,
    body: {},
  });
  expect([refused.status, refused.body.code]).toEqual([403, "MEMBERS_ONLY"]);
  await all.join(club, ada, president);
  await join(id, ada);
  expect(await statusOf(id, ada)).toBe("confirmed");
});

test("a feed that was renewed, and that of somebody who is erased, stop", async () => {
  const { id } = await activity();
  await join(id, ada);
  const renew = async () => {
    const { url } = await all.ok<{ url: string }>("POST", "/users/me/calendar-token", {
      token: ada.token,
      body: {},
    });
    return url.slice(url.indexOf("/users/me/"));
  };
  const statusAt = async (target: string) => (await all.call("GET", target)).status;
  const [first, second] = [await renew(), await renew()];
  expect(await all.ok<string>("GET", second)).toContain(id);
  expect([await statusAt(first), await statusAt(second)]).toEqual([401, 200]);
  await erase(ada);
  await eventually(async () => (await statusAt(second)) === 401 || undefined);
});

describe("a club", () => {
  let other: string;
  beforeEach(async () => void (other = await all.foundClub(president, reviewer)));

  test("that is suspended takes nobody, lets go who wants to, and goes on afterwards", async () => {
    const { id } = await activity({}, other);
    await join(id, ada);
    const { token } = await all.admin();
    const setStatus = (status: string) =>
      all.ok("PUT", `/clubs/${other}/status`, { token, body: { status, reason: "x" } });
    await setStatus("suspended");
    const refused = await all.call<{ code: string }>("PUT", `/activities/${id}/participation`, {
      token: ben.token,
      body: {},
    });
    expect([refused.status, refused.body.code]).toEqual([409, "CLUB_NOT_ACTIVE"]);
    await all.ok("DELETE", `/activities/${id}/participation`, { token: ada.token });
    await setStatus("active");
    await join(id, ben);
  });

  test("that is dissolved has its coming activities cancelled, and people are told", async () => {
    const coming = await activity({}, other);
    const far = await activity({ startsAt: later(20 * DAY), endsAt: later(20 * DAY + HOUR) }, other);
    await join(coming.id, ada, ben);
    await join(far.id, ben);
    await all.ok("DELETE", `/clubs/${other}`, { token: president.token });
    for (const { id } of [coming, far])
      await eventually(async () => {
        const { status } = await all.ok<Activity>("GET", `/activities/${id}`);
        return status === "cancelled" || undefined;
      });
    expect((await told(ada, coming.id))[0]?.body).toContain("dissolved");
    await told(ben, coming.id);
    await told(ben, far.id);
  });
});
