/** Decisions on applications, one and many: every refusal, and who wins at once. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";
import { eventually } from "../support/federation.ts";

type Application = Answer<"applications.get">;

let stand: Stand;

beforeAll(async () => {
  stand = await startStand();
});
afterAll(async () => stand?.stop());

const refusal = (code: string, status: number) => ({ code, status });
const steps = (application: Application) => application.timeline.map(({ from, to }) => `${from}>${to}`);

describe("deciding", () => {
  test("approves, or rejects with a reason", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const one = await stand.apply(club);
    const two = await stand.apply(club);
    const approved = await stand.decide(officer, one.application.id, "approve", "Welcome");
    expect(approved).toMatchObject({ status: "approved", stage: null, version: 3 });
    expect(steps(approved)).toEqual(["null>submitted", "submitted>under_review", "under_review>approved"]);
    expect(approved.timeline.at(-1)).toMatchObject({
      by: { id: officer, displayName: "officer" },
      comment: "Welcome",
    });
    const rejected = await stand.decide(officer, two.application.id, "reject", "Full");
    expect(rejected).toMatchObject({ status: "rejected" });
    await eventually(async () => stand.told(two.application.id).length === 2 || undefined);
    const [, decided] = stand.world.told.filter((each) => each.aggregate.id === two.application.id);
    expect(decided).toMatchObject({
      type: "applications.decided",
      aggregate: { version: 3 },
      actor: officer,
      data: { clubId: club.id, applicantId: two.user, status: "rejected", by: officer },
    });
    // A rejected person may apply again.
    expect((await stand.apply(club, two.user)).application.status).toBe("submitted");
  });

  test("a decision before the review has begun does that step first; the message then changes nothing", async () => {
    const club = stand.club();
    const { user, application } = await stand.apply(club);
    const president = stand.member(club, "president");
    const approved = await stand.decide(president, application.id);
    expect(steps(approved)).toEqual(["null>submitted", "submitted>under_review", "under_review>approved"]);
    const submitted = await stand.db.primary.one<{ envelope: string }>(
      "SELECT envelope FROM outbox WHERE type = 'applications.submitted' AND envelope LIKE :id",
      { id: `%${application.id}%` },
    );
    const envelope = JSON.parse(submitted?.envelope as string);
    await stand.deliver("applications.onSubmitted", { ...envelope, id: newId() });
    expect(await stand.get(user, application.id)).toEqual(approved);
  });

  test("refusals, in their order", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const { user, application } = await stand.apply(club);
    const { id, version } = await stand.reaches(user, application.id);
    await expect(stand.decide(user, id)).rejects.toMatchObject(refusal("FORBIDDEN", 403));
    await expect(stand.decide(stand.person(), id)).rejects.toMatchObject({ status: 404 });
    await expect(stand.decide(stand.member(club, "member"), id)).rejects.toMatchObject({ status: 404 });
    await expect(stand.decide(officer, newId())).rejects.toMatchObject({ status: 404 });
    const required = {
      ...refusal("COMMENT_REQUIRED", 422),
      errors: [{ field: "comment", code: "REQUIRED" }],
    };
    await expect(stand.decide(officer, id, "reject")).rejects.toMatchObject(required);
    await expect(stand.decide(officer, id, "reject", " \n")).rejects.toMatchObject(required);
    club.status = "suspended";
    const stale = { ifMatch: version + 1 };
    await expect(stand.decide(officer, id, "approve", "", stale)).rejects.toMatchObject({ status: 412 });
    await expect(stand.decide(officer, id)).rejects.toMatchObject(refusal("CLUB_NOT_ACTIVE", 409));
    club.status = "active";
    expect(await stand.get(user, id)).toMatchObject({ status: "under_review", version });
    await stand.decide(officer, id, "approve", "", { ifMatch: version });
    await expect(stand.decide(officer, id, "approve", "", { ifMatch: version })).rejects.toMatchObject({
      status: 412,
    });
    await expect(stand.decide(officer, id, "reject")).rejects.toMatchObject({ status: 422 });
    await expect(stand.decide(officer, id)).rejects.toMatchObject(refusal("ALREADY_DECIDED", 409));
  });

  test("two stages: an officer's, then the president's", async () => {
    const club = stand.club({ reviewStages: ["officer", "president"] });
    const officer = stand.member(club, "officer");
    const { application } = await stand.apply(club);
    const between = await stand.decide(officer, application.id, "approve", "Good");
    expect(between).toMatchObject({ status: "under_review", stage: "president", version: 3 });
    expect(between.timeline.at(-1)).toMatchObject({
      from: "under_review",
      to: "under_review",
      by: { id: officer },
      comment: "Good",
    });
    for (const who of [officer, stand.member(club, "officer")])
      await expect(stand.decide(who, application.id)).rejects.toMatchObject(refusal("FORBIDDEN", 403));
    const approved = await stand.decide(stand.member(club, "president"), application.id);
    expect(approved).toMatchObject({ status: "approved", stage: null, version: 4 });
  });

  test("a president may decide both stages; the form of the body comes after whose stage it is", async () => {
    const club = stand.club({ reviewStages: ["president", "officer"] });
    const { application } = await stand.apply(club);
    const officer = stand.member(club, "officer");
    const nonsense = { id: application.id, decision: "maybe" as "approve" };
    await expect(stand.as(officer, "applications.decide", nonsense)).rejects.toMatchObject({ status: 403 });
    const president = stand.member(club, "president");
    await expect(stand.as(president, "applications.decide", nonsense)).rejects.toMatchObject({ status: 422 });
    expect(await stand.decide(president, application.id)).toMatchObject({ stage: "officer" });
    // Who was president at the first stage and is an officer now has had their say.
    stand.world.members.set(`${club.id}:${president}`, "officer");
    await expect(stand.decide(president, application.id)).rejects.toMatchObject({ status: 403 });
    stand.world.members.set(`${club.id}:${president}`, "president");
    expect(await stand.decide(president, application.id)).toMatchObject({ status: "approved" });
  });

  test.each([
    { reviewStages: ["officer" as const] },
    { reviewStages: ["officer" as const, "president" as const] },
  ])("of twenty at once one wins: $reviewStages", async ({ reviewStages }) => {
    const club = stand.club({ reviewStages });
    const { user, application } = await stand.apply(club);
    const officers = Array.from({ length: 20 }, () => stand.member(club, "officer"));
    const outcomes = await Promise.allSettled(
      officers.map((officer, i) =>
        stand.decide(officer, application.id, i % 2 ? "approve" : "reject", "At once"),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = outcomes.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []));
    // Who looks only after the first has decided meets the president's stage.
    const allowed = reviewStages.length > 1 ? ["ALREADY_DECIDED", "FORBIDDEN"] : ["ALREADY_DECIDED"];
    expect(allowed).toEqual(expect.arrayContaining(refused));
    expect(refused).toContain("ALREADY_DECIDED");
    const after = await stand.get(user, application.id);
    expect(after.timeline.filter(({ comment }) => comment === "At once")).toHaveLength(1);
    expect(after.version).toBe(after.timeline.length);
  });

  test("a repeat with the same Idempotency-Key is no second decision", async () => {
    const club = stand.club();
    const { application } = await stand.apply(club);
    const officer = stand.member(club, "officer");
    const headers = { key: "k-2" };
    const first = await stand.decide(officer, application.id, "approve", "", headers);
    expect(await stand.decide(officer, application.id, "approve", "", headers)).toEqual(first);
  });
});

describe("deciding many", () => {
  test("each by itself, in their order", async () => {
    const club = stand.club({ reviewStages: ["president"] });
    const other = await stand.apply(stand.club());
    const president = stand.member(club, "president");
    const officer = stand.member(club, "officer");
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push((await stand.apply(club)).application.id);
    const [a, b, c, d] = ids as [string, string, string, string];
    await stand.reaches(president, d);
    await stand.as(president, "applications.decide", { id: d, decision: "reject", comment: "No" });
    const unknown = newId();
    const params = {
      id: club.id,
      decisions: [
        { id: b, decision: "approve" as const },
        { id: a, decision: "reject" as const, comment: "Full" },
        { id: c, decision: "reject" as const },
        { id: b, decision: "approve" as const },
        { id: unknown, decision: "approve" as const },
        { id: other.application.id, decision: "approve" as const },
        { id: d, decision: "approve" as const },
      ],
    };
    const headers = { key: "k-3" };
    const { results } = await stand.as(officer, "applications.decideMany", params);
    expect(results.map(({ code }) => code)).toEqual([
      "FORBIDDEN",
      "FORBIDDEN",
      "FORBIDDEN",
      "ALREADY_DECIDED",
      "NOT_FOUND",
      "NOT_FOUND",
      "ALREADY_DECIDED",
    ]);
    const answer = await stand.as(president, "applications.decideMany", params, headers);
    expect(answer.results).toEqual([
      { id: b, status: "approved" },
      { id: a, status: "rejected" },
      { id: c, status: expect.stringMatching(/submitted|under_review/), code: "COMMENT_REQUIRED" },
      { id: b, status: "approved", code: "ALREADY_DECIDED" },
      { id: unknown, status: null, code: "NOT_FOUND" },
      { id: other.application.id, status: null, code: "NOT_FOUND" },
      { id: d, status: "rejected", code: "ALREADY_DECIDED" },
    ]);
    expect(await stand.as(president, "applications.decideMany", params, headers)).toEqual(answer);
    expect(await stand.get(president, b)).toMatchObject({ status: "approved", version: 3 });
  });

  test("refusals", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const { application } = await stand.apply(club);
    const decisions = [{ id: application.id, decision: "approve" as const }];
    const many = (user: string | null, list = decisions) =>
      stand.as(user, "applications.decideMany", { id: club.id, decisions: list });
    await expect(many(null)).rejects.toMatchObject({ status: 401 });
    await expect(many(stand.member(club, "member"))).rejects.toMatchObject({ status: 403 });
    await expect(many(officer, [])).rejects.toMatchObject({ status: 422 });
    const tooMany = Array.from({ length: 101 }, () => decisions[0] as (typeof decisions)[0]);
    await expect(many(officer, tooMany)).rejects.toMatchObject({ status: 422 });
    club.status = "suspended";
    await expect(many(officer)).rejects.toMatchObject(refusal("CLUB_NOT_ACTIVE", 409));
  });

  test("two lists at once decide each application once", async () => {
    const club = stand.club();
    const officers = [stand.member(club, "officer"), stand.member(club, "officer")];
    const ids: string[] = [];
    for (let i = 0; i < 10; i++) ids.push((await stand.apply(club)).application.id);
    const answers = await Promise.all(
      officers.map((officer, i) =>
        stand.as(officer, "applications.decideMany", {
          id: club.id,
          decisions: (i ? ids.toReversed() : ids).map((id) => ({ id, decision: "approve" as const })),
        }),
      ),
    );
    const all = answers.flatMap(({ results }) => results);
    expect(all.filter(({ code }) => !code)).toHaveLength(10);
    expect(all.filter(({ code }) => code === "ALREADY_DECIDED")).toHaveLength(10);
    for (const id of ids)
      expect(stand.told(id).filter((type) => type === "applications.decided").length).toBeLessThanOrEqual(1);
  });
});
