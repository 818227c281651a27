/** What is left of somebody who is erased, and what is kept about them before. */
import type { Answer, Envelope } from "../../lib/declare.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";
import { message } from "../support/stand-ins.ts";

let stand: Stand;

beforeAll(async () => {
  stand = await startStand();
});
afterAll(async () => stand?.stop());

const apply = (club: ClubRecord, user?: string) => stand.apply(club, user, { message: "Let me in" });

async function approve(club: ClubRecord, id: string): Promise<void> {
  const president = stand.member(club, "president");
  await stand.as(president, "applications.decide", { id, decision: "approve", comment: "Welcome" });
}

const clubMessage = (type: string, club: ClubRecord, data: object = {}, at?: number) =>
  message(type, { type: "club", id: club.id, version: club.version }, data, at);
const joined = (club: ClubRecord, userId: string, applicationId: string | null) =>
  clubMessage("clubs.memberJoined", club, { clubId: club.id, userId, applicationId });
const toClubChanged = (envelope: Envelope) => stand.deliver("applications.onClubChanged", envelope);

const counted = (sql: string, id: string) => stand.db.primary.number(sql, { id });
const messagesOf = (id: string, type: string) =>
  stand.db.primary.number("SELECT COUNT(*) AS n FROM outbox WHERE type = :type AND envelope LIKE :id", {
    type,
    id: `%"id":"${id}"%`,
  });

describe("somebody who is erased", () => {
  const erase = (user: string) => {
    const person = stand.world.people.get(user);
    if (person) person.status = "erased";
    const envelope = message("users.erased", { type: "user", id: user, version: 2 });
    return stand.deliver("applications.onUserErased", envelope);
  };

  test("leaves status and dates, no texts and no name; what they decided for others stays", async () => {
    const club = stand.club();
    const president = stand.member(club, "president");
    const user = stand.person("Zoe");
    const decided = await apply(club, user);
    await approve(club, decided.id);
    await toClubChanged(joined(club, user, decided.id));
    const open = await apply(stand.club(), user);
    const theirs = await apply(club);
    stand.world.members.set(`${club.id}:${user}`, "officer");
    await stand.as(user, "applications.decide", { id: theirs.id, decision: "reject", comment: "Full" });
    stand.world.members.delete(`${club.id}:${user}`);
    await erase(user);
    const nobody = { id: null, displayName: "deleted user", avatarFileId: null };
    const left = await stand.get(president, decided.id);
    expect(left).toMatchObject({ applicant: nobody, message: null, status: "approved" });
    expect(left.timeline.map(({ comment }) => comment)).toEqual([null, null, null]);
    expect(left.timeline[0]?.by).toEqual(nobody);
    expect(await messagesOf(open.id, "applications.withdrawn")).toBe(1);
    expect(
      await counted("SELECT COUNT(*) AS n FROM applications WHERE id = :id AND message IS NULL", open.id),
    ).toBe(1);
    const kept = await stand.get(theirs.user, theirs.id);
    expect(kept.timeline.at(-1)).toMatchObject({ by: nobody, comment: "Full" });
  });

  test("has no application that begins afterwards", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    const person = stand.world.people.get(user);
    if (person) person.status = "erased";
    const late = message(
      "applications.submitted",
      { type: "application", id, version: 1 },
      { clubId: club.id, applicantId: user },
    );
    await stand.deliver("applications.onSubmitted", late);
    const president = stand.member(club, "president");
    expect(await stand.get(president, id)).toMatchObject({ status: "withdrawn", message: null });
  });

  test("gets before that what is kept about them, in pages", async () => {
    const club = stand.club();
    const user = stand.person();
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { id } = await apply(i ? stand.club() : club, user);
      ids.push(id);
    }
    await approve(club, ids[0] as string);
    const other = await apply(club);
    stand.world.members.set(`${club.id}:${user}`, "officer");
    await stand.as(user, "applications.decide", { id: other.id, decision: "reject", comment: "Full" });
    const records: Record<string, unknown>[] = [];
    for (let cursor: string | null = null, pages = 0; pages === 0 || cursor; pages++) {
      const page: Answer<"applications.exportUser"> = await stand.broker.call("applications.exportUser", {
        user,
        cursor,
      });
      records.push(...page.records);
      cursor = page.nextCursor;
      expect(pages).toBeLessThan(10);
    }
    expect(records.filter(({ kind }) => kind === "application").map(({ id }) => id)).toEqual(ids.toSorted());
    expect(records.filter(({ kind }) => kind === "decision")).toEqual([
      expect.objectContaining({ applicationId: other.id, comment: "Full", to: "rejected" }),
    ]);
    // Nobody else's name or id is in it.
    expect(JSON.stringify(records)).not.toContain(other.user);
  });
});
