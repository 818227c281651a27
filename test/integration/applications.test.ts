/** Every call of applications with every refusal that it has, against the domain itself. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";

let stand: Stand;

beforeAll(async () => {
  stand = await startStand();
});
afterAll(async () => stand?.stop());

const refusal = (code: string, status: number) => ({ code, status });

describe("applying", () => {
  test("is answered at once, and its review begins by itself", async () => {
    const club = stand.club({
      questions: [
        { id: "why", label: "Why?", type: "text", required: true },
        { id: "level", label: "Level", type: "choice", required: false, options: ["a", "b"] },
      ],
    });
    const { user, application } = await stand.apply(club, undefined, {
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
    const reviewed = await stand.reaches(user, application.id);
    expect(reviewed).toMatchObject({ stage: "officer", version: 2 });
    expect(reviewed.timeline[1]).toMatchObject({ from: "submitted", to: "under_review", by: null });
    const row = await stand.db.primary.one<{ expires_at: number; updated_at: number }>(
      "SELECT * FROM applications WHERE id = :id",
      { id: application.id },
    );
    expect((row?.expires_at ?? 0) - (row?.updated_at ?? 0)).toBe(14 * 86_400_000);
    await stand.tells(application.id, "applications.advanced");
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
    await expect(stand.apply(club, undefined, { answers })).rejects.toMatchObject({
      ...refusal("VALIDATION_FAILED", 422),
      errors: [
        { field: "answers.other", code: "UNKNOWN_FIELD" },
        { field: "answers.__proto__x", code: "UNKNOWN_FIELD" },
        { field: "answers.why", code: "REQUIRED" },
        { field: "answers.level", code: "NOT_ALLOWED" },
      ],
    });
    await expect(stand.apply(stand.club({ questions: club.questions }))).rejects.toMatchObject({
      status: 422,
    });
  });

  test("an answer that is empty is none", async () => {
    const club = stand.club({ questions: [{ id: "more", label: "More", type: "text", required: false }] });
    const { application } = await stand.apply(club, undefined, { answers: { more: " " }, message: "" });
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
    await expect(stand.apply(suspended)).rejects.toMatchObject({ status: 404 });
    await expect(stand.apply(suspended, stand.member(suspended, "member"))).rejects.toMatchObject(
      refusal("CLUB_NOT_ACTIVE", 409),
    );
    await expect(stand.apply(closed)).rejects.toMatchObject(refusal("CLUB_CLOSED", 409));
    await expect(stand.apply(club, stand.member(club, "member"))).rejects.toMatchObject(
      refusal("ALREADY_MEMBER", 409),
    );
    const { user } = await stand.apply(club);
    await expect(stand.apply(club, user)).rejects.toMatchObject(refusal("ALREADY_APPLIED", 409));
    await expect(stand.apply(club, undefined, { message: "x".repeat(2001) })).rejects.toMatchObject({
      status: 422,
    });
    await expect(stand.apply(club, undefined, { nonsense: 1 })).rejects.toMatchObject({ status: 422 });
  });

  test("ten at once by one person make one application", async () => {
    const club = stand.club();
    const user = stand.person();
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => stand.apply(club, user)));
    const refused = outcomes.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []));
    expect(refused).toEqual(Array.from({ length: 9 }, () => "ALREADY_APPLIED"));
    const { items } = await stand.as(user, "applications.mine", {});
    expect(items).toHaveLength(1);
  });

  test("an open club approves by itself", async () => {
    const { user, application } = await stand.apply(stand.club({ joinPolicy: "open" }));
    const approved = await stand.reaches(user, application.id, "approved");
    expect(approved).toMatchObject({ stage: null, version: 3 });
    expect(approved.timeline.at(-1)).toMatchObject({ from: "under_review", to: "approved", by: null });
    await stand.tells(application.id, "applications.decided");
    expect(stand.told(application.id)).toEqual(["applications.decided"]);
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
    const { user, application } = await stand.apply(club);
    for (const who of [user, stand.member(club, "officer"), stand.member(club, "president")])
      expect(await stand.get(who, application.id)).toMatchObject({ id: application.id });
    for (const who of [stand.person(), stand.member(club, "member"), stand.reviewer()])
      await expect(stand.get(who, application.id)).rejects.toMatchObject({ status: 404 });
    await expect(stand.get(user, newId())).rejects.toMatchObject({ status: 404 });
    await expect(stand.get(user, "x")).rejects.toMatchObject({ status: 422 });
    await expect(stand.as(null, "applications.get", { id: application.id })).rejects.toMatchObject({
      status: 401,
    });
  });

  test("carries its version as a tag", async () => {
    const club = stand.club();
    const { user, application } = await stand.apply(club);
    const { id } = await stand.reaches(user, application.id);
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
    for (let i = 0; i < 5; i++) ids.unshift((await stand.apply(club)).application.id);
    for (const id of ids) await stand.reaches(officer, id);
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
    const first = await stand.apply(stand.club({ name: "First" }), user);
    const second = await stand.apply(stand.club({ name: "Second" }), user);
    await stand.apply(stand.club());
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

describe("withdrawing", () => {
  const withdraw = (user: string, id: string, headers = {}) =>
    stand.as(user, "applications.withdraw", { id }, headers);

  test("ends it, also in a suspended club, and frees the way for another", async () => {
    const club = stand.club();
    const { user, application } = await stand.apply(club);
    await stand.reaches(user, application.id);
    club.status = "suspended";
    const withdrawn = await withdraw(user, application.id);
    expect(withdrawn).toMatchObject({ status: "withdrawn", stage: null, version: 3 });
    expect(withdrawn.timeline.at(-1)).toMatchObject({ from: "under_review", by: { id: user } });
    club.status = "active";
    await stand.tells(application.id, "applications.withdrawn");
    expect((await stand.apply(club, user)).application.status).toBe("submitted");
  });

  test("a submitted one passes through review too", async () => {
    const { user, application } = await stand.apply(stand.club());
    const { timeline } = await withdraw(user, application.id);
    expect(timeline.map(({ to }) => to)).toEqual(["submitted", "under_review", "withdrawn"]);
  });

  test("refusals", async () => {
    const club = stand.club();
    const officer = stand.member(club, "officer");
    const { user, application } = await stand.apply(club);
    const { version } = await stand.reaches(user, application.id);
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
      const { user, application } = await stand.apply(club);
      const outcomes = await Promise.allSettled([
        withdraw(user, application.id),
        stand.as(officer, "applications.decide", { id: application.id, decision: "approve" }),
      ]);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const { timeline, status } = await stand.get(user, application.id);
      expect(timeline.at(-1)?.to).toBe(status);
      expect(timeline).toHaveLength(3);
    }
  });
});
