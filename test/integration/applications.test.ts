/** Every call of applications with every refusal that it has, against the domain itself. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";
import { eventually } from "../support/federation.ts";

type Application = Answer<"applications.get">;

let stand: Stand;

beforeAll(async () => {
  stand = await startStand();
});
afterAll(async () => stand?.stop());

async function apply(club: ClubRecord, user = stand.person("Applicant"), extra = {}) {
  const { application } = await stand.as(user, "applications.submit", { id: club.id, ...extra });
  return { user, application };
}

const get = (user: string, id: string) => stand.as(user, "applications.get", { id });

/** The application once its review has begun. */
function underReview(user: string, id: string, status = "under_review"): Promise<Application> {
  return eventually(async () => {
    const application = await get(user, id);
    return application.status === status ? application : undefined;
  });
}

const refusal = (code: string, status: number) => ({ code, status });
const steps = (application: Application) => application.timeline.map(({ from, to }) => `${from}>${to}`);
const told = (id: string) =>
  stand.world.told.filter((each) => each.aggregate.id === id).map(({ type }) => type);

describe("applying", () => {
  test("is answered at once, and its review begins by itself", async () => {
    const club = stand.club({
      questions: [
        { id: "why", label: "Why?", type: "text", required: true },
        { id: "level", label: "Level", type: "choice", required: false, options: ["a", "b"] },
      ],
    });
    const { user, application } = await apply(club, undefined, {
      message: " Hello\r\nyou ",
      answers: { level: "b", why: "Fun" },
    });
    expect(application).toMatchObject({
      clubId: club.id,
      club: { id: club.id, name: "Chess", logoFileId: null },
      applicant: { id: user, displayName: "Applicant" },
      message: "Hello\nyou",
      answers: { why: { label: "Why?", value: "Fun" }, level: { label: "Level", value: "b" } },
      status: "submitted",
      stage: null,
      version: 1,
    });
    expect(application.timeline).toEqual([
      { at: application.createdAt, from: null, to: "submitted", by: application.applicant, comment: null },
    ]);
    const reviewed = await underReview(user, application.id);
    expect(reviewed).toMatchObject({ stage: "officer", version: 2 });
    expect(reviewed.timeline[1]).toMatchObject({ from: "submitted", to: "under_review", by: null });
    const row = await stand.db.primary.one<{ expires_at: number; updated_at: number }>(
      "SELECT * FROM applications WHERE id = :id",
      { id: application.id },
    );
    expect((row?.expires_at ?? 0) - (row?.updated_at ?? 0)).toBe(14 * 86_400_000);
    await eventually(async () => told(application.id).includes("applications.advanced") || undefined);
  });

  test("answers must fit the questions", async () => {
    const club = stand.club({
      status: "active",
      joinPolicy: "closed",
      questions: [
        { id: "why", label: "Why?", type: "text", required: true },
        { id: "level", label: "Level", type: "choice", required: true, options: ["a", "b"] },
        { id: "more", label: "More", type: "text", required: false },
      ],
    });
    // Also in a closed club: what is wrong with the form comes before conflicts.
    const answers = { level: "c", why: "  ", more: "", other: "x", __proto__x: "y" };
    await expect(apply(club, undefined, { answers })).rejects.toMatchObject({
      ...refusal("VALIDATION_FAILED", 422),
      errors: [
        { field: "answers.other", code: "UNKNOWN_FIELD" },
        { field: "answers.__proto__x", code: "UNKNOWN_FIELD" },
        { field: "answers.why", code: "REQUIRED" },
        { field: "answers.level", code: "NOT_ALLOWED" },
      ],
    });
    await expect(apply(stand.club({ questions: club.questions }))).rejects.toMatchObject({ status: 422 });
  });

  test("an answer that is empty is none", async () => {
    const club = stand.club({ questions: [{ id: "more", label: "More", type: "text", required: false }] });
    const { application } = await apply(club, undefined, { answers: { more: " " }, message: "" });
    expect(application).toMatchObject({ answers: {}, message: null });
  });

  test("refusals", async () => {
    const club = stand.club();
    const closed = stand.club({ joinPolicy: "closed" });
    const suspended = stand.club({ status: "suspended" });
    await expect(stand.as(null, "applications.submit", { id: club.id })).rejects.toMatchObject({
      status: 401,
    });
    await expect(stand.as(stand.person(), "applications.submit", { id: newId() })).rejects.toMatchObject({
      status: 404,
    });
    await expect(apply(suspended)).rejects.toMatchObject({ status: 404 });
    await expect(apply(suspended, stand.member(suspended, "member"))).rejects.toMatchObject(
      refusal("CLUB_NOT_ACTIVE", 409),
    );
    await expect(apply(closed)).rejects.toMatchObject(refusal("CLUB_CLOSED", 409));
    await expect(apply(club, stand.member(club, "member"))).rejects.toMatchObject(
      refusal("ALREADY_MEMBER", 409),
    );
    const { user } = await apply(club);
    await expect(apply(club, user)).rejects.toMatchObject(refusal("ALREADY_APPLIED", 409));
    await expect(apply(club, undefined, { message: "x".repeat(2001) })).rejects.toMatchObject({
      status: 422,
    });
    await expect(apply(club, undefined, { nonsense: 1 })).rejects.toMatchObject({ status: 422 });
  });

  test("ten at once by one person make one application", async () => {
    const club = stand.club();
    const user = stand.person();
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => apply(club, user)));
    const refused = outcomes.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []));
    expect(refused).toEqual(Array.from({ length: 9 }, () => "ALREADY_APPLIED"));
    const { items } = await stand.as(user, "applications.mine", {});
    expect(items).toHaveLength(1);
  });

  test("an open club approves by itself", async () => {
    const { user, application } = await apply(stand.club({ joinPolicy: "open" }));
    const approved = await underReview(user, application.id, "approved");
    expect(approved).toMatchObject({ stage: null, version: 3 });
    expect(approved.timeline.at(-1)).toMatchObject({ from: "under_review", to: "approved", by: null });
    await eventually(async () => told(application.id).includes("applications.decided") || undefined);
    expect(told(application.id)).toEqual(["applications.decided"]);
  });

  test("the same Idempotency-Key answers the same application", async () => {
    const club = stand.club();
    const user = stand.person();
    const send = (message: string) =>
      stand.send(user, "applications.submit", { id: club.id, message }, { key: "k-1" });
    const first = await send("Hello");
    expect(first.status).toBe(202);
    const again = await send("Hello");
    expect([again.status, again.body]).toEqual([202, first.body]);
    expect(again.headers["idempotency-replayed"]).toBe("true");
    const other = await send("Something else");
    expect([other.status, other.body]).toMatchObject([422, { code: "IDEMPOTENCY_KEY_REUSED" }]);
  });

  test("a refusal is kept for its Idempotency-Key too", async () => {
    const club = stand.club({ joinPolicy: "closed" });
    const user = stand.person();
    const send = () => stand.send(user, "applications.submit", { id: club.id }, { key: "k-4" });
    expect((await send()).status).toBe(409);
    club.joinPolicy = "review";
    expect(await send()).toMatchObject({ status: 409, body: { code: "CLUB_CLOSED" } });
  });
});

describe("seeing", () => {
  test("its applicant and the club's officers see it, nobody else", async () => {
    const club = stand.club();
    const { user, application } = await apply(club);
    for (const who of [user, stand.member(club, "officer"), stand.member(club, "president")])
      expect(await get(who, application.id)).toMatchObject({ id: application.id });
    for (const who of [stand.person(), stand.member(club, "member"), stand.reviewer()])
      await expect(get(who, application.id)).rejects.toMatchObject({ status: 404 });
    await expect(get(user, newId())).rejects.toMatchObject({ status: 404 });
    await expect(get(user, "x")).rejects.toMatchObject({ status: 422 });
    await expect(stand.as(null, "applications.get", { id: application.id })).rejects.toMatchObject({
      status: 401,
    });
  });

  test("carries its version as a tag", async () => {
    const club = stand.club();
    const { user, application } = await apply(club);
    const { id } = await underReview(user, application.id);
    const { etag } = (await stand.send(user, "applications.get", { id })).headers;
    expect(etag).toMatch(/^"2[".]/);
    const same = await stand.send(
      user,
      "applications.get",
      { id },
      { others: { "if-none-match": String(etag) } },
    );
    expect(same.status).toBe(304);
    const withdrawn = await stand.send(
      user,
      "applications.withdraw",
      { id },
      { others: { "if-match": String(etag) } },
    );
    expect(withdrawn.status).toBe(200);
    const changed = await stand.send(
      user,
      "applications.get",
      { id },
      { others: { "if-none-match": String(etag) } },
    );
    expect(changed.status).toBe(200);
  });

  test("lists are newest first, by status, in pages", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift((await apply(club)).application.id);
    for (const id of ids) await underReview(officer, id);
    await stand.as(officer, "applications.decide", { id: ids[1] as string, decision: "approve" });
    const read = async (status?: "approved" | "under_review") => {
      const found: string[] = [];
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page: Answer<"applications.ofClub"> = await stand.as(officer, "applications.ofClub", {
          id: club.id,
          limit: 2,
          ...(status && { status }),
          ...(cursor && { cursor }),
        });
        expect(page.items.length).toBeLessThanOrEqual(2);
        found.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      }
      return found;
    };
    expect(await read()).toEqual(ids);
    expect(await read("approved")).toEqual([ids[1]]);
    expect(await read("under_review")).toEqual(ids.filter((_, i) => i !== 1));
    await expect(
      stand.as(officer, "applications.ofClub", { id: club.id, cursor: "nonsense" }),
    ).rejects.toMatchObject(refusal("INVALID_CURSOR", 422));
    await expect(
      stand.as(stand.member(club, "member"), "applications.ofClub", { id: club.id }),
    ).rejects.toMatchObject({ status: 403 });
    await expect(stand.as(null, "applications.mine", {})).rejects.toMatchObject({ status: 401 });
  });

  test("mine are those of all clubs, and nobody else's", async () => {
    const user = stand.person();
    const first = await apply(stand.club({ name: "First" }), user);
    const second = await apply(stand.club({ name: "Second" }), user);
    await apply(stand.club());
    const { items } = await stand.as(user, "applications.mine", {});
    expect(items.map(({ id, club }) => [id, club.name])).toEqual([
      [second.application.id, "Second"],
      [first.application.id, "First"],
    ]);
    await stand.as(user, "applications.withdraw", { id: first.application.id });
    const withdrawn = await stand.as(user, "applications.mine", { status: "withdrawn" });
    expect(withdrawn.items.map(({ id }) => id)).toEqual([first.application.id]);
  });
});

describe("deciding", () => {
  const decide = (
    user: string,
    id: string,
    decision: "approve" | "reject" = "approve",
    comment?: string,
    headers = {},
  ) =>
    stand.as(
      user,
      "applications.decide",
      { id, decision, ...(comment !== undefined && { comment }) },
      headers,
    );

  test("approves, or rejects with a reason", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const one = await apply(club);
    const two = await apply(club);
    const approved = await decide(officer, one.application.id, "approve", "Welcome");
    expect(approved).toMatchObject({ status: "approved", stage: null, version: 3 });
    expect(steps(approved)).toEqual(["null>submitted", "submitted>under_review", "under_review>approved"]);
    expect(approved.timeline.at(-1)).toMatchObject({
      by: { id: officer, displayName: "officer" },
      comment: "Welcome",
    });
    const rejected = await decide(officer, two.application.id, "reject", "Full");
    expect(rejected).toMatchObject({ status: "rejected" });
    await eventually(async () => told(two.application.id).length === 2 || undefined);
    const [, decided] = stand.world.told.filter((each) => each.aggregate.id === two.application.id);
    expect(decided).toMatchObject({
      type: "applications.decided",
      aggregate: { version: 3 },
      actor: officer,
      data: { clubId: club.id, applicantId: two.user, status: "rejected", by: officer },
    });
    // A rejected person may apply again.
    expect((await apply(club, two.user)).application.status).toBe("submitted");
  });

  test("a decision before the review has begun does that step first; the message then changes nothing", async () => {
    const club = stand.club();
    const { user, application } = await apply(club);
    const president = stand.member(club, "president");
    const approved = await decide(president, application.id);
    expect(steps(approved)).toEqual(["null>submitted", "submitted>under_review", "under_review>approved"]);
    const submitted = await stand.db.primary.one<{ envelope: string }>(
      "SELECT envelope FROM outbox WHERE type = 'applications.submitted' AND envelope LIKE :id",
      { id: `%${application.id}%` },
    );
    const envelope = JSON.parse(submitted?.envelope as string);
    await stand.deliver("applications.onSubmitted", { ...envelope, id: newId() });
    expect(await get(user, application.id)).toEqual(approved);
  });

  test("refusals, in their order", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const { user, application } = await apply(club);
    const { id, version } = await underReview(user, application.id);
    await expect(decide(user, id)).rejects.toMatchObject(refusal("FORBIDDEN", 403));
    await expect(decide(stand.person(), id)).rejects.toMatchObject({ status: 404 });
    await expect(decide(stand.member(club, "member"), id)).rejects.toMatchObject({ status: 404 });
    await expect(decide(officer, newId())).rejects.toMatchObject({ status: 404 });
    const required = {
      ...refusal("COMMENT_REQUIRED", 422),
      errors: [{ field: "comment", code: "REQUIRED" }],
    };
    await expect(decide(officer, id, "reject")).rejects.toMatchObject(required);
    await expect(decide(officer, id, "reject", " \n")).rejects.toMatchObject(required);
    club.status = "suspended";
    const stale = { ifMatch: version + 1 };
    await expect(decide(officer, id, "approve", "", stale)).rejects.toMatchObject({ status: 412 });
    await expect(decide(officer, id)).rejects.toMatchObject(refusal("CLUB_NOT_ACTIVE", 409));
    club.status = "active";
    expect(await get(user, id)).toMatchObject({ status: "under_review", version });
    await decide(officer, id, "approve", "", { ifMatch: version });
    await expect(decide(officer, id, "approve", "", { ifMatch: version })).rejects.toMatchObject({
      status: 412,
    });
    await expect(decide(officer, id, "reject")).rejects.toMatchObject({ status: 422 });
    await expect(decide(officer, id)).rejects.toMatchObject(refusal("ALREADY_DECIDED", 409));
  });

  test("two stages: an officer's, then the president's", async () => {
    const club = stand.club({ reviewStages: ["officer", "president"] });
    const officer = stand.member(club, "officer");
    const { application } = await apply(club);
    const between = await decide(officer, application.id, "approve", "Good");
    expect(between).toMatchObject({ status: "under_review", stage: "president", version: 3 });
    expect(between.timeline.at(-1)).toMatchObject({
      from: "under_review",
      to: "under_review",
      by: { id: officer },
      comment: "Good",
    });
    for (const who of [officer, stand.member(club, "officer")])
      await expect(decide(who, application.id)).rejects.toMatchObject(refusal("FORBIDDEN", 403));
    const approved = await decide(stand.member(club, "president"), application.id);
    expect(approved).toMatchObject({ status: "approved", stage: null, version: 4 });
  });

  test("a president may decide both stages; the form of the body comes after whose stage it is", async () => {
    const club = stand.club({ reviewStages: ["president", "officer"] });
    const { application } = await apply(club);
    const officer = stand.member(club, "officer");
    const nonsense = { id: application.id, decision: "maybe" as "approve" };
    await expect(stand.as(officer, "applications.decide", nonsense)).rejects.toMatchObject({ status: 403 });
    const president = stand.member(club, "president");
    await expect(stand.as(president, "applications.decide", nonsense)).rejects.toMatchObject({ status: 422 });
    expect(await decide(president, application.id)).toMatchObject({ stage: "officer" });
    // Who was president at the first stage and is an officer now has had their say.
    stand.world.members.set(`${club.id}:${president}`, "officer");
    await expect(decide(president, application.id)).rejects.toMatchObject({ status: 403 });
    stand.world.members.set(`${club.id}:${president}`, "president");
    expect(await decide(president, application.id)).toMatchObject({ status: "approved" });
  });

  test.each([
    { reviewStages: ["officer" as const] },
    { reviewStages: ["officer" as const, "president" as const] },
  ])("of twenty at once one wins: $reviewStages", async ({ reviewStages }) => {
    const club = stand.club({ reviewStages });
    const { user, application } = await apply(club);
    const officers = Array.from({ length: 20 }, () => stand.member(club, "officer"));
    const outcomes = await Promise.allSettled(
      officers.map((officer, i) => decide(officer, application.id, i % 2 ? "approve" : "reject", "At once")),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = outcomes.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []));
    // Who looks only after the first has decided meets the president's stage.
    const allowed = reviewStages.length > 1 ? ["ALREADY_DECIDED", "FORBIDDEN"] : ["ALREADY_DECIDED"];
    expect(allowed).toEqual(expect.arrayContaining(refused));
    expect(refused).toContain("ALREADY_DECIDED");
    const after = await get(user, application.id);
    expect(after.timeline.filter(({ comment }) => comment === "At once")).toHaveLength(1);
    expect(after.version).toBe(after.timeline.length);
  });

  test("a repeat with the same Idempotency-Key is no second decision", async () => {
    const club = stand.club();
    const { application } = await apply(club);
    const officer = stand.member(club, "officer");
    const headers = { key: "k-2" };
    const first = await decide(officer, application.id, "approve", "", headers);
    expect(await decide(officer, application.id, "approve", "", headers)).toEqual(first);
  });
});

describe("deciding many", () => {
  test("each by itself, in their order", async () => {
    const club = stand.club({ reviewStages: ["president"] });
    const other = await apply(stand.club());
    const president = stand.member(club, "president");
    const officer = stand.member(club, "officer");
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push((await apply(club)).application.id);
    const [a, b, c, d] = ids as [string, string, string, string];
    await underReview(president, d);
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
    expect(await get(president, b)).toMatchObject({ status: "approved", version: 3 });
  });

  test("refusals", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const { application } = await apply(club);
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
    for (let i = 0; i < 10; i++) ids.push((await apply(club)).application.id);
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
      expect(told(id).filter((type) => type === "applications.decided").length).toBeLessThanOrEqual(1);
  });
});

describe("withdrawing", () => {
  const withdraw = (user: string, id: string, headers = {}) =>
    stand.as(user, "applications.withdraw", { id }, headers);

  test("ends it, also in a suspended club, and frees the way for another", async () => {
    const club = stand.club();
    const { user, application } = await apply(club);
    await underReview(user, application.id);
    club.status = "suspended";
    const withdrawn = await withdraw(user, application.id);
    expect(withdrawn).toMatchObject({ status: "withdrawn", stage: null, version: 3 });
    expect(withdrawn.timeline.at(-1)).toMatchObject({ from: "under_review", by: { id: user } });
    club.status = "active";
    await eventually(async () => told(application.id).includes("applications.withdrawn") || undefined);
    expect((await apply(club, user)).application.status).toBe("submitted");
  });

  test("a submitted one passes through review too", async () => {
    const { user, application } = await apply(stand.club());
    const { timeline } = await withdraw(user, application.id);
    expect(timeline.map(({ to }) => to)).toEqual(["submitted", "under_review", "withdrawn"]);
  });

  test("refusals", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const { user, application } = await apply(club);
    const { version } = await underReview(user, application.id);
    await expect(withdraw(officer, application.id)).rejects.toMatchObject({ status: 403 });
    await expect(withdraw(stand.person(), application.id)).rejects.toMatchObject({ status: 404 });
    await expect(withdraw(user, application.id, { ifMatch: version + 1 })).rejects.toMatchObject({
      status: 412,
    });
    await stand.as(officer, "applications.decide", { id: application.id, decision: "approve" });
    await expect(withdraw(user, application.id)).rejects.toMatchObject(refusal("ALREADY_DECIDED", 409));
  });

  test("at once with a decision: one of them wins", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    for (let i = 0; i < 5; i++) {
      const { user, application } = await apply(club);
      const outcomes = await Promise.allSettled([
        withdraw(user, application.id),
        stand.as(officer, "applications.decide", { id: application.id, decision: "approve" }),
      ]);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const { timeline, status } = await get(user, application.id);
      expect(timeline.at(-1)?.to).toBe(status);
      expect(timeline).toHaveLength(3);
    }
  });
});
