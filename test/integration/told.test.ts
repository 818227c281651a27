/** What clubs, applications, activities and users do, as notifications and search get to know of it through the whole federation. */
import { eventually, startFederation } from "../support/federation.ts";
import type { Federation, Person } from "../support/federation.ts";

interface Inbox {
  items: { title: string; body: string; kind: string; subject: { type: string; id: string } }[];
  unreadCount: number;
}

let all: Federation;
let president: Person;
let reviewer: Person;
let applicant: Person;
let club: string;

const inbox = (person: Person): Promise<Inbox> =>
  all.ok("GET", "/notifications?limit=100", { token: person.token });
/** Waits until the person is told so. */
const told = (person: Person, title: string) =>
  eventually(async () => (await inbox(person)).items.find((item) => item.title === title));
const found = async (q: string): Promise<string[]> => {
  const { items } = await all.ok<{ items: { club: { id: string } }[] }>(
    "GET",
    `/clubs/search?q=${encodeURIComponent(q)}`,
  );
  return items.map((each) => each.club.id);
};

beforeAll(async () => {
  all = await startFederation();
  [president, reviewer, applicant] = (await Promise.all(
    ["pia", "rita", "ada"].map((name) => all.register(name)),
  )) as [Person, Person, Person];
  const { token } = await all.admin();
  await all.ok("PUT", `/users/${reviewer.id}/roles`, { token, body: { roles: ["reviewer"] } });
  club = await all.foundClub(president, reviewer, { name: "量子围棋社", tags: ["量子"] });
});
afterAll(() => all?.stop());

test("a new club: reviewers are told, its founder of the outcome, and search finds it", async () => {
  expect((await told(reviewer, "A new club waits for review")).body).toContain("量子围棋社");
  expect(await told(president, "量子围棋社 was approved")).toMatchObject({
    kind: "review",
    subject: { type: "club", id: club },
  });
  expect((await inbox(president)).items).toHaveLength(1);
  expect((await inbox(reviewer)).items).toHaveLength(1);
  for (const q of ["量子", "liangzi", "lzwqs"])
    await eventually(async () => (await found(q)).includes(club) || undefined);
});

test("an application, from submission to membership", async () => {
  await all.join(club, applicant, president);
  await told(applicant, "Your application to 量子围棋社 is under review");
  await told(applicant, "Your application to 量子围棋社 was approved");
  await told(president, "New application to 量子围棋社");
  // The president has decided it: nobody is told of their own deed.
  expect((await inbox(president)).items).toHaveLength(2);
  const { items } = await all.ok<Inbox>("GET", "/notifications", {
    token: applicant.token,
    headers: { "accept-language": "zh-CN" },
  });
  expect(items.map(({ title }) => title)).toContain("您加入量子围棋社的申请已通过");
});

test("an activity: who moves up from the waitlist, and everyone who is signed up when it is called off", async () => {
  const hour = 3_600_000;
  const at = (hours: number): string => new Date(Date.now() + hours * hour).toISOString();
  const officer = { token: president.token };
  const planned = { title: "夜棋", startsAt: at(24), endsAt: at(26), timezone: "Asia/Shanghai" };
  const body = { ...planned, capacity: 1, waitlist: true };
  const { id } = await all.ok<{ id: string }>("POST", `/clubs/${club}/activities`, { ...officer, body });
  await all.ok("POST", `/activities/${id}/publish`, officer);
  const place = `/activities/${id}/participation`;
  await all.ok("PUT", place, { token: reviewer.token, body: {} });
  await all.ok("PUT", place, { token: applicant.token, body: {} });
  await all.ok("DELETE", place, { token: reviewer.token });
  const promoted = await told(applicant, "You have a place in 夜棋 of 量子围棋社");
  expect(promoted).toMatchObject({ kind: "waitlist", subject: { type: "activity", id } });
  expect(promoted.body).toContain("GMT+8");
  await all.ok("POST", `/activities/${id}/cancel`, { ...officer, body: { reason: "Rain" } });
  expect((await told(applicant, "夜棋 of 量子围棋社 was cancelled")).body).toContain("\nRain");
  const { items } = await inbox(reviewer);
  expect(items.filter(({ subject }) => subject.type === "activity")).toEqual([]);
});

test("a new name is found, and the old one no more", async () => {
  await all.ok("PATCH", `/clubs/${club}`, { token: president.token, body: { name: "弦论象棋社" } });
  await eventually(async () => (await found("弦论")).includes(club) || undefined);
  expect(await found("围棋")).not.toContain(club);
  expect((await inbox(applicant)).items[0]?.title).toContain("弦论象棋社");
});

test("a club that is dissolved is forgotten within a second", async () => {
  await all.ok("DELETE", `/clubs/${club}`, { token: president.token });
  await eventually(async () => !(await found("弦论")).includes(club) || undefined, 1_000);
});

test("an erased person's notifications are gone", async () => {
  expect((await inbox(applicant)).items.length).toBeGreaterThan(0);
  const { id: user, token, password } = applicant;
  await all.ok("DELETE", "/users/me", { token, body: { password } });
  await eventually(async () => {
    const kept = await all.broker.call<{ records: unknown[] }, object>("notifications.exportUser", {
      user,
      cursor: null,
    });
    return kept.records.length === 0 || undefined;
  });
});
