/** Reports of posts and comments, and what enough of them do. */
import { newId } from "../../lib/ids.ts";
import { holdLeftovers } from "../../services/posts/holding.ts";
import { reportId, sweepReports } from "../../services/posts/reports.ts";
import { decide, report, reportToHold, waiting } from "../support/moderation.ts";
import type { Comment, Forum, Post } from "../support/posts.ts";
import { startForum } from "../support/posts.ts";

let forum: Forum;
let author: string;
let moderator: string;
let post: Post;
let comment: Comment;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(async () => {
  author = forum.person("Author");
  moderator = forum.moderator();
  post = await forum.post(author);
  comment = await forum.comment(post.id, author);
});

const idOf = (type: "post" | "comment") => (type === "post" ? post.id : comment.id);
const statusOf = async (type: "post" | "comment", id = idOf(type)) =>
  (await (type === "post" ? forum.store.posts : forum.store.comments).findOne({ _id: id }))?.status;
const people = (count: number) => Array.from({ length: count }, () => forum.person("Reporter"));

describe.each(["post", "comment"] as const)("reports of a %s", (type) => {
  test("the first is 201, every other of the same person 200, and one is kept", async () => {
    const [reporter = ""] = people(1);
    const body = { reason: "abuse", detail: "  Rude,\r\nreally. " };
    const answer = await forum.call("POST", `/${type}s/${idOf(type)}/reports`, { as: reporter, body });
    expect([answer.status, answer.body]).toEqual([201, { reported: true }]);
    expect(await report(forum, type, idOf(type), reporter)).toBe("200");
    expect(await report(forum, type, idOf(type), reporter, { reason: "illegal" })).toBe("200");
    expect(await forum.store.reports.find({ content: idOf(type) })).toEqual([
      {
        _id: reportId(idOf(type), reporter),
        content: idOf(type),
        type,
        user: reporter,
        reason: "abuse",
        detail: "Rude,\nreally.",
        at: expect.any(Number) as number,
        closed: false,
      },
    ]);
    expect(await statusOf(type)).toBe("published");
  });

  test("three people hold it, two do not, nor does one who reports three times", async () => {
    const [first = "", second = "", third = ""] = people(3);
    for (const by of [first, first, first, second, second])
      expect(await report(forum, type, idOf(type), by)).toMatch(/^20[01]$/);
    expect(await statusOf(type)).toBe("published");
    expect(await waiting(forum, moderator, idOf(type))).toBeUndefined();
    expect(await report(forum, type, idOf(type), third)).toBe("201");
    expect(await statusOf(type)).toBe("held");
    expect(await waiting(forum, moderator, idOf(type))).toMatchObject({ why: "reports", status: "open" });
  });

  test("many at the same moment hold it exactly once", async () => {
    const answers = await Promise.all(people(8).map((by) => report(forum, type, idOf(type), by)));
    // Who comes when it is held already does not see it any more.
    expect(answers.filter((each) => each === "201").length).toBeGreaterThanOrEqual(3);
    expect(answers.filter((each) => !["201", "404 NOT_FOUND", "409 NOT_PUBLISHED"].includes(each))).toEqual(
      [],
    );
    expect(await statusOf(type)).toBe("held");
    expect(await forum.told("moderation.held", idOf(type))).toHaveLength(1);
  });

  test("three at the same moment do as well", async () => {
    const answers = await Promise.all(people(3).map((by) => report(forum, type, idOf(type), by)));
    expect(answers).toEqual(["201", "201", "201"]);
    expect(await statusOf(type)).toBe("held");
    expect(await forum.told("moderation.held", idOf(type))).toHaveLength(1);
  });

  test("what is told names nobody who has reported", async () => {
    await reportToHold(forum, type, idOf(type));
    const [held] = await forum.told("moderation.held", idOf(type));
    const { id } = (await waiting(forum, moderator, idOf(type))) ?? {};
    expect(held).toMatchObject({
      actor: null,
      aggregate: { type, id: idOf(type) },
      data: {
        subject: { type, id: idOf(type) },
        postId: post.id,
        authorId: author,
        caseId: id,
        why: "reports",
      },
    });
    expect(await forum.told("posts.held", post.id)).toHaveLength(type === "post" ? 1 : 0);
  });

  test("refusals", async () => {
    const by = forum.person();
    const target = `/${type}s/${idOf(type)}/reports`;
    expect(await forum.outcome("POST", target, { body: { reason: "spam" } })).toBe("401 UNAUTHENTICATED");
    expect(await report(forum, type, newId(), by)).toBe("404 NOT_FOUND");
    expect(await report(forum, type, idOf(type), by, {})).toBe("422 VALIDATION_FAILED reason=REQUIRED");
    expect(await report(forum, type, idOf(type), by, { reason: "dull" })).toMatch(/^422 .* reason=/);
    expect(await report(forum, type, idOf(type), by, { reason: "spam", detail: "x".repeat(1_001) })).toMatch(
      /^422 .* detail=/,
    );
    // Nobody reports their own.
    expect(await report(forum, type, idOf(type), author)).toBe("403 FORBIDDEN");
    expect(await forum.store.reports.count({ content: idOf(type) })).toBe(0);
    await reportToHold(forum, type, idOf(type));
    expect(await report(forum, type, idOf(type), by)).toBe("404 NOT_FOUND");
  });

  test("what a moderator has approved is held again by three others alone", async () => {
    const [first = "", second = "", third = "", ...others] = people(6);
    for (const by of [first, second, third]) await report(forum, type, idOf(type), by);
    const open = await waiting(forum, moderator, idOf(type));
    expect(await decide(forum, moderator, open?.id ?? "", { decision: "approve" })).toBe("200");
    for (const by of [first, second, third]) expect(await report(forum, type, idOf(type), by)).toBe("200");
    for (const by of others.slice(0, 2)) expect(await report(forum, type, idOf(type), by)).toBe("201");
    expect(await statusOf(type)).toBe("published");
    expect(await report(forum, type, idOf(type), others[2] ?? "")).toBe("201");
    expect(await statusOf(type)).toBe("held");
    const again = await waiting(forum, moderator, idOf(type));
    expect(again?.id).not.toBe(open?.id);
    expect(again?.reports).toHaveLength(3);
  });

  test("nor is it held again when a node has died before the reports were closed", async () => {
    await reportToHold(forum, type, idOf(type));
    const open = await waiting(forum, moderator, idOf(type));
    expect(await decide(forum, moderator, open?.id ?? "", { decision: "approve" })).toBe("200");
    await forum.store.reports.updateMany({ content: idOf(type) }, { $set: { closed: false } });
    expect(await report(forum, type, idOf(type), forum.person())).toBe("201");
    await holdLeftovers(forum.keeping, 0);
    expect(await statusOf(type)).toBe("published");
    for (const by of people(2)) await report(forum, type, idOf(type), by);
    expect(await statusOf(type)).toBe("held");
    expect((await waiting(forum, moderator, idOf(type)))?.reports).toHaveLength(3);
  });

  test("what a node that died has not held is held later", async () => {
    for (const user of people(3))
      await forum.store.reports.insertOne({
        _id: reportId(idOf(type), user),
        content: idOf(type),
        type,
        user,
        reason: "spam",
        detail: "",
        // So long ago that this node itself does not look at it.
        at: 1,
        closed: false,
      });
    await holdLeftovers(forum.keeping, 2);
    expect(await statusOf(type)).toBe("published");
    await holdLeftovers(forum.keeping, 0);
    expect(await statusOf(type)).toBe("held");
    await holdLeftovers(forum.keeping, 0);
    expect(await forum.told("moderation.held", idOf(type))).toHaveLength(1);
  });
});

describe("what is held", () => {
  test("a post: others get 404, its author and moderators see it, and it is in no list", async () => {
    const stranger = forum.person("Stranger");
    await reportToHold(forum, "post", post.id);
    expect(await forum.outcome("GET", `/posts/${post.id}`)).toBe("404 NOT_FOUND");
    expect(await forum.outcome("GET", `/posts/${post.id}`, { as: stranger })).toBe("404 NOT_FOUND");
    expect((await forum.get(post.id, author)).status).toBe("held");
    expect((await forum.get(post.id, moderator)).status).toBe("held");
    expect((await forum.list({ authorId: author })).items).toEqual([]);
  });

  test("a comment: it is in no list but its author's, and the count is one less", async () => {
    expect((await forum.get(post.id)).commentCount).toBe(1);
    await reportToHold(forum, "comment", comment.id);
    const seenBy = async (as?: string) =>
      (await forum.comments(post.id, {}, as)).items.map(({ id, status }) => ({ id, status }));
    expect(await seenBy()).toEqual([]);
    expect(await seenBy(forum.person())).toEqual([]);
    expect(await seenBy(author)).toEqual([{ id: comment.id, status: "held" }]);
    expect((await forum.stored(post.id))?.commentCount).toBe(0);
    const open = await waiting(forum, moderator, comment.id);
    await decide(forum, moderator, open?.id ?? "", { decision: "approve" });
    expect((await forum.stored(post.id))?.commentCount).toBe(1);
    expect(await seenBy()).toEqual([{ id: comment.id, status: "published" }]);
  });
});

describe("a person's reports", () => {
  const mine = (user: string) => forum.store.reports.find({ user });
  const exported = (user: string, cursor: string | null = null) =>
    forum.broker.call<{ records: Record<string, unknown>[]; nextCursor: string | null }, object>(
      "moderation.exportUser",
      { user, cursor },
    );

  test("are exported in pages", async () => {
    const user = forum.person();
    const at = Date.now();
    const docs = Array.from({ length: 250 }, () => newId()).map((content) => ({
      _id: reportId(content, user),
      content,
      type: "post" as const,
      user,
      reason: "spam" as const,
      detail: "Why",
      at,
      closed: true,
    }));
    await forum.store.reports.insertMany(docs);
    const first = await exported(user);
    const second = await exported(user, first.nextCursor);
    expect([first.records.length, second.records.length, second.nextCursor]).toEqual([200, 50, null]);
    const all = [...first.records, ...second.records];
    expect(new Set(all.map((each) => each["report"])).size).toBe(250);
    expect(all[0]).toEqual({
      report: all[0]?.["report"],
      reason: "spam",
      detail: "Why",
      at: new Date(at).toISOString(),
      closed: true,
    });
    await forum.store.reports.deleteMany({ user });
  });

  test("who is erased leaves that it was reported, and no more; it still counts", async () => {
    const [erased = "", second = "", third = ""] = people(3);
    const other = await forum.post(author);
    await report(forum, "post", post.id, erased, { reason: "spam", detail: "I know them." });
    await report(forum, "post", other.id, erased);
    await forum.store.reports.updateMany({ content: other.id }, { $set: { closed: true } });
    for (let again = 0; again < 2; again++)
      await forum.deliver("moderation.onUserErased", "users.erased", { type: "user", id: erased });
    expect(await mine(erased)).toEqual([]);
    expect(await forum.store.reports.count({ content: other.id })).toBe(0);
    const [left] = await forum.store.reports.find({ content: post.id });
    expect(left).toMatchObject({ user: "", detail: "", closed: false });
    expect(JSON.stringify(left)).not.toContain(erased);
    for (const by of [second, third]) await report(forum, "post", post.id, by);
    expect(await statusOf("post")).toBe("held");
  });

  test("older than a year they are deleted", async () => {
    await report(forum, "post", post.id, forum.person());
    await report(forum, "comment", comment.id, forum.person());
    const year = 365 * 24 * 3_600_000;
    const now = Date.now();
    await forum.store.reports.updateMany({ content: post.id }, { $set: { at: now - year - 1_000 } });
    await sweepReports(forum.store, now);
    expect(await forum.store.reports.count({ content: post.id })).toBe(0);
    expect(await forum.store.reports.count({ content: comment.id })).toBe(1);
  });
});
