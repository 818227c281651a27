/** What happens to applications without a request: messages once, late and twice; clubs and people that go; time. */
import type { Envelope } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweepExpired, sweepTexts } from "../../services/applications/application-work.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";
import { message } from "../support/stand-ins.ts";
import { eventually } from "../support/federation.ts";

const DAY = 86_400_000;

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
const eventsOf = (id: string) =>
  counted("SELECT COUNT(*) AS n FROM application_events WHERE application_id = :id", id);
const messagesOf = (id: string, type: string) =>
  stand.db.primary.number("SELECT COUNT(*) AS n FROM outbox WHERE type = :type AND envelope LIKE :id", {
    type,
    id: `%"id":"${id}"%`,
  });

describe("a message that comes twice", () => {
  test("has one effect", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    await stand.reaches(user, id, "under_review");
    await approve(club, id);
    const refused = clubMessage("clubs.memberRefused", club, {
      clubId: club.id,
      userId: user,
      applicationId: id,
      reason: "club",
    });
    await toClubChanged(refused);
    const after = await stand.get(user, id);
    expect(after.status).toBe("approved");
    expect(after.timeline.at(-1)).toMatchObject({ from: "approved", to: "approved", by: null });
    await Promise.all([toClubChanged(refused), toClubChanged(refused)]);
    expect(await stand.get(user, id)).toEqual(after);
    // What keeps it from happening again is the inbox: without its row it does.
    await stand.db.primary.run("DELETE FROM inbox WHERE id = :id", { id: refused.id });
    await toClubChanged(refused);
    expect(await eventsOf(id)).toBe(after.timeline.length + 1);
  });

  test("begins a review once, also under another id", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    const reviewed = await stand.reaches(user, id, "under_review");
    const again = message(
      "applications.submitted",
      { type: "application", id, version: 1 },
      { clubId: club.id, applicantId: user },
    );
    for (const envelope of [again, again, { ...again, id: newId() }])
      await stand.deliver("applications.onSubmitted", envelope);
    expect(await stand.get(user, id)).toEqual(reviewed);
    expect(await messagesOf(id, "applications.advanced")).toBe(1);
  });
});

describe("a message whose consumer cannot do its work", () => {
  test("waits, also while the node stops and starts again", async () => {
    const { world } = stand;
    const user = stand.person();
    world.onRoles = async () => {
      world.clubsAway = true;
    };
    const { id } = await apply(stand.club(), user);
    world.onRoles = async () => undefined;
    const { queue } = runtimeOf(stand.broker);
    const waiting = async () =>
      queue
        ? Number(await queue.waiting("applications"))
        : stand.db.primary.number(
            "SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL AND last_error IS NOT NULL",
          );
    await eventually(async () => (await waiting()) > 0 || undefined);
    stand = await stand.restart();
    world.clubsAway = false;
    const reached = await eventually(() => stand.reaches(user, id).catch(() => undefined), 20_000);
    expect(reached).toMatchObject({ version: 2 });
    // The circuit to clubs may have opened meanwhile: those who come next are not to meet it.
    const open = async () =>
      apply(stand.club(), stand.person()).then(
        () => true,
        () => undefined,
      );
    await eventually(open, 20_000);
  }, 60_000);
});

describe("an approved application", () => {
  test("counts as membership until the club tells that it is made", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    await approve(club, id);
    await expect(apply(club, user)).rejects.toMatchObject({ code: "ALREADY_MEMBER" });
    stand.world.members.set(`${club.id}:${user}`, "member");
    await toClubChanged(joined(club, user, id));
    await expect(apply(club, user)).rejects.toMatchObject({ code: "ALREADY_MEMBER" });
    stand.world.members.delete(`${club.id}:${user}`);
    expect((await apply(club, user)).id).not.toBe(id);
  });

  test("counts no longer when the membership is refused", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    await approve(club, id);
    const data = { clubId: club.id, userId: user, applicationId: id, reason: "club" };
    await toClubChanged(clubMessage("clubs.memberRefused", club, data));
    expect((await apply(club, user)).id).not.toBe(id);
  });

  test("of somebody who was a member already counts until they leave", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    await approve(club, id);
    const left = { clubId: club.id, userId: user, by: null };
    // They left before this approval: that was another membership.
    await toClubChanged(clubMessage("clubs.memberLeft", club, left, Date.now() - 60_000));
    await expect(apply(club, user)).rejects.toMatchObject({ code: "ALREADY_MEMBER" });
    await toClubChanged(clubMessage("clubs.memberLeft", club, left, Date.now() + 1));
    expect((await apply(club, user)).id).not.toBe(id);
  });

  test("leaves no gap while its membership is made", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    await approve(club, id);
    // The membership is made, and told, just after its role was asked for: the answer is the old one.
    const settle = async () => {
      await toClubChanged(joined(club, user, id));
    };
    stand.world.onRoles = settle;
    try {
      await expect(apply(club, user)).rejects.toMatchObject({ code: "ALREADY_MEMBER" });
    } finally {
      stand.world.onRoles = async () => undefined;
    }
    const { items } = await stand.as(user, "applications.mine", {});
    expect(items).toHaveLength(1);
  });
});

describe("clubs that change", () => {
  test("with a deleted club its open applications expire, and no others", async () => {
    const club = stand.club();
    const [open, closed, elsewhere] = [await apply(club), await apply(club), await apply(stand.club())];
    for (const { user, id } of [open, elsewhere]) await stand.reaches(user, id, "under_review");
    await approve(club, closed.id);
    club.status = "deleted";
    const deleted = clubMessage("clubs.deleted", club, { name: club.name, from: "active" });
    for (let i = 0; i < 2; i++) await toClubChanged(deleted);
    const expired = await stand.get(open.user, open.id);
    expect(expired).toMatchObject({ status: "expired", stage: null, version: 3 });
    expect(expired.timeline.at(-1)).toMatchObject({ from: "under_review", to: "expired", by: null });
    expect(await messagesOf(open.id, "applications.expired")).toBe(1);
    expect(await stand.get(closed.user, closed.id)).toMatchObject({ status: "approved" });
    expect(await stand.get(elsewhere.user, elsewhere.id)).toMatchObject({ status: "under_review" });
  });

  test("a review that would begin in a deleted club ends", async () => {
    const club = stand.club();
    const user = stand.person();
    club.status = "active";
    stand.world.onRoles = async () => {
      club.status = "deleted";
    };
    const { id } = await apply(club, user).finally(() => {
      stand.world.onRoles = async () => undefined;
    });
    const { timeline } = await stand.reaches(user, id, "expired");
    expect(timeline.map(({ to }) => to)).toEqual(["submitted", "under_review", "expired"]);
  });

  test("a review waits while its club is suspended, and begins when that is lifted", async () => {
    const club = stand.club({ joinPolicy: "open" });
    const user = stand.person();
    stand.world.onRoles = async () => {
      club.status = "suspended";
    };
    const { id } = await apply(club, user).finally(() => {
      stand.world.onRoles = async () => undefined;
    });
    await eventually(async () =>
      (await counted("SELECT COUNT(*) AS n FROM inbox WHERE consumer = 'applications.onSubmitted'", id)) > 0
        ? true
        : undefined,
    );
    const change = clubMessage("clubs.statusChanged", club, { from: "suspended", to: "active" });
    await toClubChanged(change);
    expect(await stand.get(user, id)).toMatchObject({ status: "submitted" });
    club.status = "active";
    await toClubChanged({ ...change, id: newId() });
    expect(await stand.get(user, id)).toMatchObject({ status: "approved" });
  });
});

describe("time", () => {
  const clubsById = async (ids: string[]) =>
    new Map(ids.flatMap((id) => stand.world.clubs.get(id) ?? []).map((club) => [club.id, club]));

  test("what waits too long expires; in a suspended club it has its time when that is lifted", async () => {
    const club = stand.club();
    const suspended = stand.club();
    const [due, fresh, waiting] = [await apply(club), await apply(club), await apply(suspended)];
    for (const { user, id } of [due, fresh, waiting]) await stand.reaches(user, id, "under_review");
    suspended.status = "suspended";
    const past = Date.now() - 1;
    await stand.db.primary.run("UPDATE applications SET expires_at = :past WHERE id IN (:ids)", {
      past,
      ids: [due.id, waiting.id],
    });
    await Promise.all([1, 2].map(() => sweepExpired(stand.db, clubsById, Date.now())));
    expect(await stand.get(due.user, due.id)).toMatchObject({ status: "expired", version: 3 });
    expect(await messagesOf(due.id, "applications.expired")).toBe(1);
    for (const { user, id } of [fresh, waiting])
      expect(await stand.get(user, id)).toMatchObject({ status: "under_review", version: 2 });
    suspended.status = "active";
    const lifted = clubMessage("clubs.statusChanged", suspended, { from: "suspended", to: "active" });
    await toClubChanged(lifted);
    expect(await counted("SELECT expires_at FROM applications WHERE id = :id", waiting.id)).toBe(
      lifted.at + 14 * DAY,
    );
    const officer = stand.member(club, "officer");
    await expect(
      stand.as(officer, "applications.decide", { id: due.id, decision: "approve" }),
    ).rejects.toMatchObject({ code: "ALREADY_DECIDED" });
    expect((await apply(club, due.user)).id).not.toBe(due.id);
  });

  test("a year after it was closed its texts go, status and dates stay", async () => {
    const club = stand.club();
    const { user, id } = await apply(club);
    await approve(club, id);
    const open = await apply(club);
    await sweepTexts(stand.db, Date.now() + 364 * DAY);
    const before = await stand.get(user, id);
    expect(before).toMatchObject({ message: "Let me in" });
    await sweepTexts(stand.db, Date.now() + 366 * DAY);
    const after = await stand.get(user, id);
    expect(after).toEqual({
      ...before,
      message: null,
      answers: {},
      version: before.version + 1,
      timeline: before.timeline.map((entry) => ({ ...entry, comment: null })),
    });
    expect(await stand.get(open.user, open.id)).toMatchObject({ message: "Let me in" });
  });
});
