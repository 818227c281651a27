/** A club's life through the whole federation: review, application, search, the end. */
import type { Answer } from "../../lib/declare.ts";
import { eventually, startFederation } from "../support/federation.ts";
import type { Federation, Person } from "../support/federation.ts";

type Reviews = Answer<"reviews.list">;
type Found = Answer<"clubs.search">;

let federation: Federation;
let president: Person;
let reviewer: Person;
let admin: { token: string };
beforeAll(async () => {
  federation = await startFederation();
  [president, reviewer] = await Promise.all([federation.register(), federation.register()]);
  admin = await federation.admin();
  await federation.ok("PUT", `/users/${reviewer.id}/roles`, {
    token: admin.token,
    body: { roles: ["reviewer"] },
  });
}, 60_000);
afterAll(async () => federation?.stop());

const found = async (q: string) =>
  (await federation.ok<Found>("GET", `/clubs/search?q=${encodeURIComponent(q)}`)).items.map(
    ({ club }) => club.id,
  );
const finds = (q: string, id: string, expected: boolean) =>
  eventually(async () => (await found(q)).includes(id) === expected || undefined, 1_000);
const taskOf = async (clubId: string) => {
  const { token } = reviewer;
  const { items } = await federation.ok<Reviews>("GET", "/reviews?limit=100", { token });
  return items.find((task) => task.clubId === clubId);
};

test("nobody approves a text that they have not seen; what is approved is found, what is dissolved is not", async () => {
  const { token } = president;
  const body = { name: "天文观测社", summary: "We look up.", category: "academic" };
  const { id } = await federation.ok<{ id: string }>("POST", "/clubs", { token, body });
  const task = await taskOf(id);
  expect(task?.status).toBe("open");
  await federation.ok("POST", `/reviews/${task?.id}/claim`, { token: reviewer.token });
  await federation.ok("PATCH", `/clubs/${id}`, { token, body: { summary: "We look down." } });
  const decide = () =>
    federation.call<{ code?: string }>("POST", `/reviews/${task?.id}/decision`, {
      token: reviewer.token,
      body: { decision: "approve" },
    });
  const early = await decide();
  expect([early.status, early.body.code]).toEqual([409, "NOT_CLAIMED"]);
  await federation.ok("POST", `/reviews/${task?.id}/claim`, { token: reviewer.token });
  expect((await decide()).status).toBe(200);
  await finds("tianwen", id, true);
  await federation.ok("PATCH", `/clubs/${id}`, { token, body: { name: "地质考察社" } });
  await finds("dizhi", id, true);
  await finds("tianwen", id, false);
  const status = (to: string) =>
    federation.ok("PUT", `/clubs/${id}/status`, { token: admin.token, body: { status: to, reason: "So." } });
  await status("suspended");
  expect(await found("dizhi")).toEqual([]);
  await status("active");
  await finds("dizhi", id, true);
  await federation.ok("DELETE", `/clubs/${id}`, { token });
  expect(await found("dizhi")).toEqual([]);
});

test("a member erases their account and is gone from the club; its president cannot", async () => {
  const club = await federation.foundClub(president, reviewer, { joinPolicy: "open" });
  const member = await federation.register();
  await federation.ok("POST", `/clubs/${club}/applications`, { token: member.token, body: {} });
  await eventually(async () => {
    const { memberCount } = await federation.ok<{ memberCount: number }>("GET", `/clubs/${club}`);
    return memberCount === 2 || undefined;
  });
  const erase = ({ token, password }: Person) =>
    federation.call<{ code?: string }>("DELETE", "/users/me", { token, body: { password } });
  expect((await erase(president)).body.code).toBe("CLUB_NEEDS_PRESIDENT");
  expect((await erase(member)).status).toBe(204);
  await eventually(async () => {
    const { memberCount } = await federation.ok<{ memberCount: number }>("GET", `/clubs/${club}`);
    return memberCount === 1 || undefined;
  });
});
