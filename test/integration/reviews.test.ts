/** Reviews of new clubs: every call with every refusal, the saga's step, and what clubs and people do to them. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { STEPS_KEPT, sweepSteps } from "../../services/applications/review-rows.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";
import { message } from "../support/stand-ins.ts";
import { eventually } from "../support/federation.ts";

type Task = Answer<"reviews.list">["items"][number];

let stand: Stand;

beforeAll(async () => {
  stand = await startStand();
});
afterAll(async () => stand?.stop());

const stepOf = (club: ClubRecord, sagaStep = `${newId()}:review`) => ({
  sagaStep,
  taskId: newId(),
  clubId: club.id,
  clubName: club.name,
  clubVersion: club.version,
  filedBy: club.createdBy,
});

/** A pending club and its review. */
async function file(fields: Partial<ClubRecord> = {}): Promise<{ club: ClubRecord; id: string }> {
  const club = stand.club({ status: "pending", ...fields });
  const step = stepOf(club);
  await stand.broker.call("reviews.open", step);
  return { club, id: step.taskId };
}

const claim = (user: string | null, id: string, headers = {}) =>
  stand.as(user, "reviews.claim", { id }, headers);
const decide = (
  user: string | null,
  id: string,
  decision: "approve" | "reject" = "approve",
  comment?: string,
  headers = {},
) => stand.as(user, "reviews.decide", { id, decision, ...(comment !== undefined && { comment }) }, headers);

/** The review as a reviewer finds it in the list, in one of its pages. */
async function find(id: string, status?: Task["status"]): Promise<Task | undefined> {
  const reviewer = stand.reviewer();
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: Answer<"reviews.list"> = await stand.as(reviewer, "reviews.list", {
      limit: 100,
      ...(status && { status }),
      ...(cursor && { cursor }),
    });
    const found = page.items.find((each) => each.id === id);
    if (found) return found;
    cursor = page.nextCursor;
  }
  return undefined;
}

const endClaim = (id: string) =>
  stand.db.primary.run("UPDATE reviews SET claim_until = :past WHERE id = :id", { past: Date.now() - 1, id });
const told = (id: string) =>
  stand.world.told.filter((each) => each.aggregate.id === id).map(({ type }) => type);
const refusal = (code: string, status: number) => ({ code, status });

describe("the list", () => {
  test("is for reviewers alone, before any id is looked at", async () => {
    for (const [who, status] of [
      [null, 401],
      [stand.person(), 403],
    ] as const) {
      await expect(stand.as(who, "reviews.list", {})).rejects.toMatchObject({ status });
      await expect(claim(who, "x")).rejects.toMatchObject({ status });
      await expect(decide(who, newId())).rejects.toMatchObject({ status });
    }
  });

  test("is oldest first, with the club as it is, and leaves out those of clubs that are gone", async () => {
    const first = await file({ name: "First" });
    const gone = await file();
    const dissolved = await file();
    const second = await file({ name: "Second" });
    stand.world.clubs.delete(gone.club.id);
    dissolved.club.status = "deleted";
    first.club.summary = "Changed";
    const ids: string[] = [];
    const reviewer = stand.reviewer();
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page: Answer<"reviews.list"> = await stand.as(reviewer, "reviews.list", {
        limit: 2,
        ...(cursor && { cursor }),
      });
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    const own = [first.id, gone.id, dissolved.id, second.id];
    expect(ids.filter((id) => own.includes(id))).toEqual([first.id, second.id]);
    const { createdBy: _by, revision: _revision, ...club } = first.club;
    expect(await find(first.id)).toEqual({
      id: first.id,
      clubId: first.club.id,
      club,
      status: "open",
      claimedBy: null,
      claimExpiresAt: null,
      createdAt: expect.any(String),
      version: 1,
    });
    await expect(stand.as(reviewer, "reviews.list", { cursor: "nonsense" })).rejects.toMatchObject(
      refusal("INVALID_CURSOR", 422),
    );
  });

  test("shows a claim that has ended as open", async () => {
    const { id } = await file();
    await claim(stand.reviewer(), id);
    expect(await find(id, "open")).toBeUndefined();
    expect(await find(id, "claimed")).toMatchObject({ status: "claimed" });
    await endClaim(id);
    expect(await find(id, "claimed")).toBeUndefined();
    expect(await find(id, "open")).toMatchObject({ status: "open", claimedBy: null, claimExpiresAt: null });
  });
});

describe("claiming", () => {
  test("holds for 30 minutes, for one reviewer, who may renew it", async () => {
    const { id } = await file();
    const [reviewer, other] = [stand.reviewer(), stand.reviewer()];
    const before = Date.now();
    const task = await claim(reviewer, id);
    expect(task).toMatchObject({ status: "claimed", claimedBy: { id: reviewer }, version: 2 });
    const ends = Date.parse(task.claimExpiresAt as string) - 30 * 60_000;
    expect(ends).toBeGreaterThanOrEqual(before);
    expect(ends).toBeLessThanOrEqual(Date.now());
    await expect(claim(other, id)).rejects.toMatchObject(refusal("ALREADY_CLAIMED", 409));
    await expect(decide(other, id)).rejects.toMatchObject(refusal("ALREADY_CLAIMED", 409));
    expect(await claim(reviewer, id)).toMatchObject({ status: "claimed", version: 3 });
    await endClaim(id);
    expect(await claim(other, id)).toMatchObject({ claimedBy: { id: other } });
  });

  test("refusals", async () => {
    const { id, club } = await file();
    const reviewer = stand.reviewer();
    await expect(claim(reviewer, newId())).rejects.toMatchObject({ status: 404 });
    await expect(claim(reviewer, "x")).rejects.toMatchObject({ status: 422 });
    stand.world.roles.set(club.createdBy, ["reviewer"]);
    await expect(claim(club.createdBy, id)).rejects.toMatchObject(refusal("SELF_REVIEW", 403));
    await expect(decide(club.createdBy, id)).rejects.toMatchObject(refusal("SELF_REVIEW", 403));
    await expect(claim(reviewer, id, { ifMatch: 9 })).rejects.toMatchObject({ status: 412 });
    await claim(reviewer, id, { ifMatch: 1 });
    await decide(reviewer, id);
    await expect(claim(reviewer, id)).rejects.toMatchObject(refusal("ALREADY_DECIDED", 409));
  });

  test("of twenty at once one wins", async () => {
    const { id } = await file();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => claim(stand.reviewer(), id)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = outcomes.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []));
    expect(new Set(refused)).toEqual(new Set(["ALREADY_CLAIMED"]));
  });
});

describe("deciding", () => {
  test.each([
    ["approve", "approved", undefined],
    ["reject", "rejected", "Too much like another"],
  ] as const)("%s", async (decision, status, comment) => {
    const { id, club } = await file({ version: 4 });
    const reviewer = stand.reviewer();
    await claim(reviewer, id);
    const task = await decide(reviewer, id, decision, comment);
    expect(task).toMatchObject({ status, claimedBy: { id: reviewer }, claimExpiresAt: null, version: 3 });
    await eventually(async () => told(id).includes("reviews.decided") || undefined);
    expect(
      stand.world.told.find((each) => each.aggregate.id === id && each.type === "reviews.decided"),
    ).toMatchObject({
      actor: reviewer,
      data: {
        clubId: club.id,
        clubName: club.name,
        clubVersion: 4,
        filedBy: club.createdBy,
        decision: status,
        comment: comment ?? null,
        by: reviewer,
      },
    });
    expect(await find(id, status)).toMatchObject({ status });
  });

  test("refusals, in their order", async () => {
    const { id } = await file();
    const reviewer = stand.reviewer();
    await expect(decide(reviewer, newId())).rejects.toMatchObject({ status: 404 });
    await expect(decide(reviewer, id, "reject", " ")).rejects.toMatchObject({
      ...refusal("COMMENT_REQUIRED", 422),
      errors: [{ field: "comment", code: "REQUIRED" }],
    });
    await expect(decide(reviewer, id, "approve", "", { ifMatch: 9 })).rejects.toMatchObject({ status: 412 });
    await expect(decide(reviewer, id)).rejects.toMatchObject(refusal("NOT_CLAIMED", 409));
    await claim(reviewer, id);
    await endClaim(id);
    await expect(decide(reviewer, id)).rejects.toMatchObject(refusal("NOT_CLAIMED", 409));
    await claim(reviewer, id);
    await decide(reviewer, id);
    for (const who of [reviewer, stand.reviewer()])
      await expect(decide(who, id)).rejects.toMatchObject(refusal("ALREADY_DECIDED", 409));
  });

  test("nobody decides on a text that they have not seen: the claim ends", async () => {
    const { id, club } = await file();
    const reviewer = stand.reviewer();
    await claim(reviewer, id);
    club.version = 2;
    await expect(decide(reviewer, id)).rejects.toMatchObject(refusal("NOT_CLAIMED", 409));
    expect(await find(id, "open")).toMatchObject({ status: "open", version: 3 });
    expect(told(id)).not.toContain("reviews.decided");
    await claim(reviewer, id);
    expect(await decide(reviewer, id)).toMatchObject({ status: "approved" });
  });

  test("of ten at once one wins, and the message is one", async () => {
    const { id } = await file();
    const reviewer = stand.reviewer();
    await claim(reviewer, id);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => decide(reviewer, id, i % 2 ? "approve" : "reject", "At once")),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await eventually(async () => told(id).includes("reviews.decided") || undefined);
    expect(told(id)).toEqual(["reviews.opened", "reviews.decided"]);
  });
});

describe("the step of the saga", () => {
  const open = (step: ReturnType<typeof stepOf>) =>
    stand.broker.call<Answer<"reviews.open">, object>("reviews.open", step);

  test("opens one review, however often it runs", async () => {
    const club = stand.club({ status: "pending" });
    const step = stepOf(club);
    const answers = await Promise.all(Array.from({ length: 5 }, () => open(step)));
    expect(answers).toEqual(answers.map(() => ({ opened: true })));
    expect(await find(step.taskId)).toMatchObject({ clubId: club.id });
    await eventually(async () => told(step.taskId).length > 0 || undefined);
    expect(
      await stand.db.primary.number(
        "SELECT COUNT(*) AS n FROM outbox WHERE type = 'reviews.opened' AND envelope LIKE :id",
        {
          id: `%${step.taskId}%`,
        },
      ),
    ).toBe(1);
  });

  test("undone, the review is gone and a late step is refused", async () => {
    const step = stepOf(stand.club({ status: "pending" }));
    await open(step);
    for (let i = 0; i < 2; i++) await stand.broker.call("reviews.undoOpen", { sagaStep: step.sagaStep });
    await expect(open(step)).rejects.toMatchObject({ type: "ALREADY_DECIDED" });
    expect(await find(step.taskId)).toBeUndefined();
  });

  test("undone before it ran it never opens, for as long as a node may be late", async () => {
    const step = stepOf(stand.club({ status: "pending" }));
    await stand.broker.call("reviews.undoOpen", { sagaStep: step.sagaStep });
    await sweepSteps(stand.db.primary, Date.now() + STEPS_KEPT - 60_000);
    await expect(open(step)).rejects.toMatchObject({ type: "ALREADY_DECIDED" });
    const count = () =>
      stand.db.primary.number("SELECT COUNT(*) AS n FROM review_steps WHERE saga_step = :sagaStep", step);
    expect(await count()).toBe(1);
    await sweepSteps(stand.db.primary, Date.now() + STEPS_KEPT + 60_000);
    expect(await count()).toBe(0);
  });

  test("run and undone at once leave no review behind", async () => {
    for (let i = 0; i < 10; i++) {
      const step = stepOf(stand.club({ status: "pending" }));
      const undo = () => stand.broker.call("reviews.undoOpen", { sagaStep: step.sagaStep });
      await Promise.allSettled(i % 2 ? [open(step), undo()] : [undo(), open(step)]);
      await expect(open(step)).rejects.toMatchObject({ type: "ALREADY_DECIDED" });
      expect(await find(step.taskId)).toBeUndefined();
    }
  });
});

describe("what happens elsewhere", () => {
  const tell = (type: string, club: ClubRecord, data: object, version = club.version) =>
    stand.deliver("reviews.onClubChanged", message(type, { type: "club", id: club.id, version }, data));

  test("a new text ends the claim, a count or an old message does not", async () => {
    const { id, club } = await file({ version: 3 });
    await claim(stand.reviewer(), id);
    for (const version of [2, 3])
      await tell("clubs.updated", club, { name: "x", status: "pending" }, version);
    expect(await find(id)).toMatchObject({ status: "claimed", version: 2 });
    await tell("clubs.updated", club, { name: "x", status: "pending" }, 4);
    expect(await find(id)).toMatchObject({ status: "open", claimedBy: null, version: 3 });
  });

  test("with a deleted club its open review goes, a decided one stays", async () => {
    const open = await file();
    const decided = await file();
    const reviewer = stand.reviewer();
    await claim(reviewer, decided.id);
    await decide(reviewer, decided.id);
    for (const { club } of [open, decided]) await tell("clubs.deleted", club, { name: "x", from: "pending" });
    expect(await find(open.id)).toBeUndefined();
    await expect(claim(reviewer, open.id)).rejects.toMatchObject({ status: 404 });
    expect(await find(decided.id)).toMatchObject({ status: "approved" });
  });

  test("a decision that came too late opens the review again, once", async () => {
    const { id, club } = await file();
    const reviewer = stand.reviewer();
    await claim(reviewer, id);
    await decide(reviewer, id, "reject", "No");
    const outdated = message(
      "clubs.reviewOutdated",
      { type: "club", id: club.id, version: 2 },
      { clubId: club.id },
    );
    await stand.deliver("reviews.onClubChanged", outdated);
    expect(await find(id)).toMatchObject({ status: "open", claimedBy: null });
    await claim(reviewer, id);
    await decide(reviewer, id);
    await stand.deliver("reviews.onClubChanged", outdated);
    expect(await find(id)).toMatchObject({ status: "approved" });
  });

  test("claims of somebody who is erased end", async () => {
    const [first, second] = [await file(), await file()];
    const [reviewer, other] = [stand.reviewer(), stand.reviewer()];
    await claim(reviewer, first.id);
    await claim(other, second.id);
    const envelope = message("users.erased", { type: "user", id: reviewer, version: 2 });
    await stand.deliver("reviews.onUserErased", envelope);
    expect(await find(first.id)).toMatchObject({ status: "open", claimedBy: null });
    expect(await find(second.id)).toMatchObject({ status: "claimed" });
  });
});
