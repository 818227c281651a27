import type { Static } from "typebox";
import { newId } from "../../lib/ids.ts";
import type { messages } from "../../services/contracts.ts";
import { noticesOf } from "../../services/notifications/recipients.ts";
import type { Sources, Told } from "../../services/notifications/recipients.ts";

/** Of a roster's people nobody else is asked. */
const nobody: Sources = {
  officersOf: () => Promise.reject(new Error("officers were asked for")),
  reviewers: () => Promise.reject(new Error("reviewers were asked for")),
  moderators: () => Promise.reject(new Error("moderators were asked for")),
};
const about = { activityId: newId(), clubId: newId(), occurrence: 1_000, startsAt: 2_000 };
const common = { id: newId(), at: 3_000, actor: null, requestId: null };
const aggregate = { type: "roster", id: `${about.activityId}:1000`, version: 4 };

type Type = Extract<Told["type"], `participations.${string}`>;

function message<T extends Type>(type: T, data: Static<(typeof messages)[T]>, actor: string | null = null) {
  return { ...common, aggregate, type, data, actor } as Extract<Told, { type: T }>;
}

describe("who is told of an activity", () => {
  const users = ["ann", "bob"];
  const people = { ...about, users };

  test.each([
    {
      told: message("participations.promoted", people),
      kind: "waitlist",
      event: "participation.promoted",
      more: {},
    },
    {
      told: message("participations.calledOff", { ...people, reason: "Rain", dissolved: false }),
      kind: "activity",
      event: "participation.calledOff",
      more: { comment: "Rain" },
    },
    {
      told: message("participations.calledOff", { ...people, reason: null, dissolved: false }),
      kind: "activity",
      event: "participation.calledOff",
      more: { comment: null },
    },
    {
      told: message("participations.calledOff", { ...people, reason: null, dissolved: true }),
      kind: "activity",
      event: "participation.calledOff",
      more: { comment: null, reason: "club" },
    },
    {
      told: message("participations.moved", { ...people, endsAt: 3_000, location: "B 203" }),
      kind: "activity",
      event: "participation.moved",
      more: { endsAt: 3_000, location: "B 203" },
    },
    {
      told: message("participations.reminded", { ...people, location: "B 203", minutes: 30 }),
      kind: "reminder",
      event: "participation.reminded",
      more: { location: "B 203", minutes: 30 },
    },
  ])("$told.type: those whom it names, in one notice, with $more", async ({ told, kind, event, more }) => {
    expect(await noticesOf(told, nobody)).toEqual([
      {
        to: users,
        kind,
        event,
        subject: { type: "activity", id: about.activityId },
        values: { ...about, ...more },
      },
    ]);
  });

  test("whoever did it is told as well: an officer who has cancelled may be signed up", async () => {
    const [notice] = await noticesOf(
      message("participations.calledOff", { ...people, reason: "Rain", dissolved: false }, "ann"),
      nobody,
    );
    expect(notice?.to).toEqual(users);
  });

  test("a message to nobody tells nobody", async () => {
    const [notice] = await noticesOf(message("participations.promoted", { ...about, users: [] }), nobody);
    expect(notice?.to).toEqual([]);
  });
});

describe("who is told of moderation", () => {
  const sources: Sources = { ...nobody, moderators: async () => ["mod", "maria", "author"] };
  const content = { subject: { type: "comment" as const, id: newId() }, postId: newId(), authorId: "author" };
  const envelope = { ...common, aggregate: { type: "comment", id: content.subject.id, version: 2 } };
  const caseId = newId();
  const of = (subject: object, event: string, to: string[], values: object = {}, more: object = {}) => ({
    to,
    kind: "moderation",
    event,
    subject,
    values: { content: "comment", ...values },
    ...more,
  });
  const waiting = of(
    content.subject,
    "moderation.waiting",
    ["mod", "maria"],
    {},
    { collapse: "moderation.waiting" },
  );

  test("held by reports: the author, and moderators but for the author, who get one such notice", async () => {
    const data = { ...content, caseId, why: "reports" as const };
    expect(await noticesOf({ ...envelope, type: "moderation.held", data }, sources)).toEqual([
      of(content.subject, "moderation.held", ["author"]),
      waiting,
    ]);
  });

  test("held by a word: the author knows already", async () => {
    const data = { ...content, caseId, why: "word" as const };
    const message = { ...envelope, type: "moderation.held", data, actor: "author" } as const;
    expect(await noticesOf(message, sources)).toEqual([waiting]);
  });

  test.each([
    { decision: "approve" as const, event: "moderation.approved", comment: null },
    { decision: "remove" as const, event: "moderation.removed", comment: "Spam" },
  ])("decided ($decision): the author, with the reason", async ({ decision, event, comment }) => {
    const data = { ...content, caseId, decision, comment };
    const message = { ...envelope, type: "moderation.decided", data } as const;
    expect(await noticesOf({ ...message, actor: "mod" }, sources)).toEqual([
      of(content.subject, event, ["author"], { comment }),
    ]);
    // A moderator who has decided on their own knows it.
    expect((await noticesOf({ ...message, actor: "author" }, sources)).flatMap(({ to }) => to)).toEqual([]);
  });

  test("removed by a moderator outside the queue: the author", async () => {
    const message = { ...envelope, type: "moderation.removed", data: content, actor: "mod" } as const;
    expect(await noticesOf(message, sources)).toEqual([
      of(content.subject, "moderation.removed", ["author"]),
    ]);
  });
});
