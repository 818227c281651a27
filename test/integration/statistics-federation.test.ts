/** A small life over HTTP in all domains: what was counted live is what a rebuild counts from what the domains keep. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Answer } from "../../lib/declare.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import type { Person } from "../support/federation.ts";

type Statistics = Answer<"statistics.get">;
const MINUTE = 60_000;

let office: Office;
let token: string;
beforeAll(async () => {
  office = await startOffice({ domains: DOMAINS });
  ({ token } = await office.admin());
}, 90_000);
afterAll(() => office?.stop());

const as = (person: { token: string }, body?: Record<string, unknown>) => ({
  token: person.token,
  ...(body && { body }),
});
const soon = (minutes: number): string => new Date(Date.now() + minutes * MINUTE).toISOString();

async function activity(club: string, president: Person, more: Record<string, unknown>): Promise<string> {
  const body = { title: "Chess", startsAt: soon(30), endsAt: soon(90), timezone: "Asia/Shanghai", ...more };
  const { id } = await office.public.ok<{ id: string }>(
    "POST",
    `/clubs/${club}/activities`,
    as(president, body),
  );
  await office.public.ok("POST", `/activities/${id}/publish`, as(president, {}));
  return id;
}

/** Who does what: the numbers below follow from it. */
async function live(): Promise<void> {
  const { public: http } = office;
  const people: Person[] = [];
  for (let i = 0; i < 6; i++) people.push(await http.register());
  const [president, member, leaver, refused, erased, passer] = people as [
    Person,
    Person,
    Person,
    Person,
    Person,
    Person,
  ];
  const admin = await http.admin();
  await http.ok("PUT", `/users/${passer.id}/roles`, as(admin, { roles: ["reviewer"] }));
  const club = await http.foundClub(president, passer);
  for (const each of [member, leaver, erased]) await http.join(club, each, president);
  const { application } = await http.ok<{ application: { id: string } }>(
    "POST",
    `/clubs/${club}/applications`,
    as(refused, {}),
  );
  await http.ok(
    "POST",
    `/applications/${application.id}/decision`,
    as(president, { decision: "reject", comment: "No." }),
  );
  await http.ok("DELETE", `/clubs/${club}/members/${leaver.id}`, as(leaver));

  const small = await activity(club, president, { capacity: 1, waitlist: true });
  for (const each of [leaver, member, erased])
    await http.ok("PUT", `/activities/${small}/participation`, as(each, {}));
  await http.ok("DELETE", `/activities/${small}/participation`, as(leaver));
  await eventually(async () => {
    const { status } = await http.ok<{ status: string }>(
      "GET",
      `/activities/${small}/participation`,
      as(member),
    );
    return status === "confirmed" || undefined;
  });
  await http.ok("POST", `/activities/${small}/check-ins`, as(president, { userId: member.id }));
  const off = await activity(club, president, {});
  await http.ok("PUT", `/activities/${off}/participation`, as(refused, {}));
  await http.ok("POST", `/activities/${off}/cancel`, as(president, { reason: "Rain." }));

  const posts: string[] = [];
  for (const each of [member, erased, refused]) {
    const { id } = await http.ok<{ id: string }>("POST", "/posts", as(each, { title: "A game", body: "e4" }));
    posts.push(id);
  }
  await http.ok("POST", `/posts/${posts[0]}/comments`, as(erased, { body: "e5" }));
  const comment = await http.ok<{ id: string }>(
    "POST",
    `/posts/${posts[0]}/comments`,
    as(refused, { body: "c5" }),
  );
  await http.ok("DELETE", `/comments/${comment.id}`, as(refused));
  await http.ok("DELETE", `/posts/${posts[2]}`, as(refused));
  await http.ok("DELETE", "/users/me", as(erased, { password: erased.password }));
}

const read = (): Promise<Statistics> => office.ok("GET", "/admin/statistics", { token });

const sumsOf = ({ series }: Statistics): Record<string, number> =>
  Object.fromEntries(
    series.map(({ metric, points }) => [metric, points.reduce((sum, { value }) => sum + (value ?? 0), 0)]),
  );

test("live numbers are those of a rebuild", async () => {
  await live();
  const totals = {
    // Five who stayed, and the administrator.
    users: 6,
    clubs: 1,
    // The president and one.
    members: 2,
    applications: 4,
    activities: 1,
    // Who came; the one of the cancelled activity stays signed up in what was called off.
    participations: 2,
    posts: 2,
    comments: 1,
  };
  let seen: Statistics["totals"] | undefined;
  const counted = await eventually(
    async () => {
      const now = await read();
      seen = now.totals;
      return JSON.stringify(seen) === JSON.stringify(totals) ? now : undefined;
    },
    20_000,
    () => JSON.stringify(seen),
  );
  expect(sumsOf(counted)).toMatchObject({
    new_users: 7,
    new_clubs: 1,
    applications: 4,
    approvals: 3,
    activities: 2,
    sign_ups: 4,
    check_ins: 1,
    posts: 3,
    comments: 2,
  });
  const { rebuild } = await office.ok<Answer<"statistics.rebuild">>("POST", "/admin/statistics/rebuild", {
    token,
  });
  const done = await eventually(async () => {
    const now = await office.ok<Answer<"statistics.rebuilding">>("GET", "/admin/statistics/rebuild", {
      token,
    });
    return now.state === "done" ? now : undefined;
  }, 20_000);
  expect(done.id).toBe(rebuild.id);
  expect(await read()).toEqual({ ...counted, from: expect.any(String), to: expect.any(String) });
});
