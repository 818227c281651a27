/** The queue of moderators, their decisions, and the log. */
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { newCase } from "../../services/posts/records.ts";
import { decide, queue, reportToHold, waiting } from "../support/moderation.ts";
import type { Queue } from "../support/moderation.ts";
import type { Club, Comment, Forum, Post } from "../support/posts.ts";
import { eventually, startForum } from "../support/posts.ts";

let forum: Forum;
let club: Club;
let author: string;
let stranger: string;
let moderator: string;
let post: Post;
let comment: Comment;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(async () => {
  // Each test has the queue for itself.
  for (const each of [forum.store.posts, forum.store.comments]) await each.deleteMany({ status: "held" });
  club = forum.club();
  author = forum.member(club);
  stranger = forum.person("Stranger");
  moderator = forum.moderator();
  post = await forum.post(author, { clubId: club.id });
  comment = await forum.comment(post.id, author);
});

const held = async (type: "post" | "comment"): Promise<string> => {
  const id = type === "post" ? post.id : comment.id;
  await reportToHold(forum, type, id);
  return (await waiting(forum, moderator, id))?.id ?? "";
};
const find = async (type: "post" | "comment") =>
  type === "post"
    ? forum.store.posts.findOne({ _id: post.id })
    : forum.store.comments.findOne({ _id: comment.id });

describe("the queue", () => {
  test("is for moderators", async () => {
    expect(await forum.outcome("GET", "/moderation/queue")).toBe("401 UNAUTHENTICATED");
    expect(await forum.outcome("GET", "/moderation/queue", { as: author })).toBe("403 FORBIDDEN");
    expect(await queue(forum, moderator)).toEqual({ items: [], nextCursor: null });
    expect(await forum.outcome("GET", "/moderation/queue?cursor=x", { as: moderator })).toMatch(/^422 /);
  });

  test("shows posts and comments with who wrote them and why they were reported, not by whom", async () => {
    await held("comment");
    await held("post");
    const { items } = await queue(forum, moderator);
    const reports = [
      { reason: "other", detail: "第三次", at: expect.any(String) as string },
      { reason: "abuse", detail: "", at: expect.any(String) as string },
      { reason: "spam", detail: "It sells something.", at: expect.any(String) as string },
    ];
    const open = {
      id: expect.any(String) as string,
      why: "reports",
      status: "open",
      author: { id: author, displayName: "member", avatarFileId: null },
      postId: post.id,
      reports,
      createdAt: expect.any(String) as string,
      decidedAt: null,
      comment: null,
      version: 2,
    };
    const sorted = items.map((each) => ({
      ...each,
      reports: each.reports.toSorted((a, b) => (a.reason < b.reason ? 1 : -1)),
    }));
    reports.sort((a, b) => (a.reason < b.reason ? 1 : -1));
    expect(sorted).toEqual([
      { ...open, subject: { type: "comment", id: comment.id }, title: null, body: comment.body },
      { ...open, subject: { type: "post", id: post.id }, title: post.title, body: post.body },
    ]);
  });

  test("goes on page by page in the order of coming, posts and comments merged", async () => {
    const at = Date.now();
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { id } = await forum.post(author);
      const answer = await forum.comment(post.id, author);
      // Some at the same millisecond.
      const wait = (since: number) => ({
        status: "held" as const,
        case: newCase("word", since),
        waitingSince: since,
      });
      await forum.store.posts.updateOne({ _id: id }, { $set: wait(at + (i >> 1)) });
      await forum.store.comments.updateOne({ _id: answer.id }, { $set: wait(at + (i >> 1)) });
      ids.push(id, answer.id);
    }
    const seen: Queue["items"] = [];
    let cursor: string | null = null;
    do {
      const page: Queue = await queue(
        forum,
        moderator,
        `?limit=3${cursor === null ? "" : `&cursor=${cursor}`}`,
      );
      expect(page.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen.map(({ subject }) => subject.id).toSorted()).toEqual(ids.toSorted());
    const order = seen.map(({ createdAt, subject }) => `${createdAt} ${subject.id}`);
    expect(order).toEqual(order.toSorted());
    expect(new Set(seen.map(({ subject }) => subject.type)).size).toBe(2);
  });

  test("a page ends before an answer is too large for the bus", async () => {
    const body = "长".repeat(50_000);
    const at = Date.now();
    for (let i = 0; i < 8; i++) {
      const { id } = await forum.post(author, { body: `${body.slice(1)}${i}` });
      const wait = { status: "held" as const, case: newCase("word", at + i), waitingSince: at + i };
      await forum.store.posts.updateOne({ _id: id }, { $set: wait });
    }
    const first = await queue(forum, moderator, "?limit=100");
    expect(first.items).toHaveLength(3);
    const second = await queue(forum, moderator, `?limit=100&cursor=${first.nextCursor}`);
    expect(second.items.map((each) => each.body.at(-1))).toEqual(["3", "4", "5"]);
  });
});

describe.each(["post", "comment"] as const)("a decision about a %s", (type) => {
  test("to approve: everyone sees it again", async () => {
    const id = await held(type);
    const answer = await forum.call("POST", `/moderation/${id}/decision`, {
      as: moderator,
      body: { decision: "approve", comment: "Nothing wrong with it." },
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      id,
      status: "approved",
      subject: { type },
      comment: "Nothing wrong with it.",
      decidedAt: expect.any(String) as string,
      reports: [{}, {}, {}],
    });
    const kept = await find(type);
    expect(kept).toMatchObject({ status: "published", case: { id, decision: "approve" } });
    expect(kept).not.toHaveProperty("waitingSince");
    expect((await forum.get(post.id, stranger)).status).toBe("published");
    const { items } = await forum.comments(post.id, {}, stranger);
    expect(items.map(({ status }) => status)).toEqual(["published"]);
    expect(await waiting(forum, moderator, kept?._id ?? "")).toBeUndefined();
    expect(await forum.store.reports.count({ content: kept?._id ?? "", closed: false })).toBe(0);
  });

  test("to remove: nobody but its author and moderators sees it", async () => {
    const id = await held(type);
    expect(await decide(forum, moderator, id, { decision: "remove", comment: "广告" })).toBe("200");
    expect(await find(type)).toMatchObject({
      status: "removed",
      case: { decision: "remove", comment: "广告" },
    });
    if (type === "post") {
      expect(await forum.outcome("GET", `/posts/${post.id}`, { as: stranger })).toBe("404 NOT_FOUND");
      expect((await forum.get(post.id, author)).status).toBe("removed");
    } else {
      expect((await forum.comments(post.id, {}, author)).items).toEqual([]);
      expect((await forum.get(post.id)).commentCount).toBe(0);
    }
  });

  test("is told: to the author with the reason, to the log with who it was", async () => {
    const id = await held(type);
    const subject = { type, id: type === "post" ? post.id : comment.id };
    expect(await decide(forum, moderator, id, { decision: "remove", comment: "Spam" })).toBe("200");
    const [decided] = await forum.told("moderation.decided", subject.id);
    expect(decided?.data).toEqual({
      subject,
      postId: post.id,
      authorId: author,
      caseId: id,
      decision: "remove",
      comment: "Spam",
    });
    expect(await forum.told("posts.removed", post.id)).toMatchObject(
      type === "post" ? [{ data: { clubId: club.id, authorId: author, by: "moderator" } }] : [],
    );
    const entry = await eventually(() => forum.store.log.findOne({ subjectId: subject.id }));
    expect(entry).toEqual({
      _id: id,
      at: expect.any(Number) as number,
      actor: moderator,
      action: "remove",
      subjectType: type,
      subjectId: subject.id,
      comment: "Spam",
      requestId: expect.any(String) as string,
    });
    const [acted] = await forum.told("moderation.acted", subject.id);
    await forum.broker.call("moderation.onActed", acted);
    expect(await forum.store.log.count({ subjectId: subject.id })).toBe(1);
  });

  test("is made once: one of two at the same moment, and no other later", async () => {
    const id = await held(type);
    const other = forum.moderator();
    const both = await Promise.all([
      decide(forum, moderator, id, { decision: "approve" }),
      decide(forum, other, id, { decision: "remove" }),
    ]);
    expect(both.toSorted()).toEqual(["200", "409 ALREADY_DECIDED"]);
    const status = both[0] === "200" ? "published" : "removed";
    expect((await find(type))?.status).toBe(status);
    expect(await decide(forum, moderator, id, { decision: "remove" })).toBe("409 ALREADY_DECIDED");
    expect((await find(type))?.status).toBe(status);
    expect(await forum.told("moderation.decided", type === "post" ? post.id : comment.id)).toHaveLength(1);
  });

  test("of a case that a newer one has replaced was made before", async () => {
    const first = await held(type);
    expect(await decide(forum, moderator, first, { decision: "approve" })).toBe("200");
    const second = await held(type);
    expect(second).not.toBe(first);
    await eventually(() => forum.store.log.findOne({ _id: first }));
    expect(await decide(forum, moderator, first, { decision: "remove" })).toBe("409 ALREADY_DECIDED");
    expect((await find(type))?.status).toBe("held");
  });

  test("comes too late when the author has removed it", async () => {
    const id = await held(type);
    const target = type === "post" ? `/posts/${post.id}` : `/comments/${comment.id}`;
    expect(await forum.outcome("DELETE", target, { as: author })).toBe("204");
    expect(await decide(forum, moderator, id, { decision: "approve" })).toBe("409 ALREADY_DECIDED");
    expect((await find(type))?.status).toBe("removed");
    expect((await queue(forum, moderator)).items).toEqual([]);
  });
});

describe("decisions", () => {
  test("is not for who has written it", async () => {
    const own = await forum.post(moderator, {});
    await reportToHold(forum, "post", own.id);
    const open = (await waiting(forum, moderator, own.id))?.id ?? "";
    expect(await decide(forum, moderator, open, { decision: "approve" })).toBe("403 SELF_REVIEW");
    expect(await decide(forum, forum.moderator(), open, { decision: "approve" })).toBe("200");
  });

  test("refusals", async () => {
    const id = await held("post");
    const body = { decision: "approve" };
    expect(await forum.outcome("POST", `/moderation/${id}/decision`, { body })).toBe("401 UNAUTHENTICATED");
    for (const as of [author, stranger, club.president])
      expect(await decide(forum, as, id, body)).toBe("403 FORBIDDEN");
    expect(await decide(forum, moderator, newId(), body)).toBe("404 NOT_FOUND");
    expect(await decide(forum, moderator, "x", body)).toMatch(/^422 .* id=/);
    expect(await decide(forum, moderator, id, {})).toBe("422 VALIDATION_FAILED decision=REQUIRED");
    expect(await decide(forum, moderator, id, { decision: "keep" })).toMatch(/^422 .* decision=/);
    expect(await decide(forum, moderator, id, { ...body, comment: "x".repeat(2_001) })).toMatch(
      /^422 .* comment=/,
    );
    expect((await find("post"))?.status).toBe("held");
  });

  test("with If-Match it is about the text that was read", async () => {
    const id = await held("post");
    const { version = 0 } = (await waiting(forum, moderator, post.id)) ?? {};
    const patched = await forum.outcome("PATCH", `/posts/${post.id}`, {
      as: author,
      body: { body: "Buy my boats." },
    });
    expect(patched).toBe("200");
    const approve = (ifMatch: number) =>
      forum.call("POST", `/moderation/${id}/decision`, {
        as: moderator,
        body: { decision: "approve" },
        ifMatch,
      });
    expect(await approve(version)).toMatchObject({ status: 412, body: { code: "PRECONDITION_FAILED" } });
    expect((await find("post"))?.status).toBe("held");
    const read = await waiting(forum, moderator, post.id);
    expect(read).toMatchObject({ id, body: "Buy my boats.", version: version + 1 });
    expect(await approve(version + 1)).toMatchObject({ status: 200, body: { version: version + 2 } });
    expect((await find("post"))?.version).toBe(version + 2);
  });

  test("an approved post of a club that is not active is shown when that is active again", async () => {
    const id = await held("post");
    await forum.become(club, "suspended");
    expect(await decide(forum, moderator, id, { decision: "approve" })).toBe("200");
    expect(await find("post")).toMatchObject({ status: "published", shown: false });
    await forum.become(club, "active");
    expect(await find("post")).toMatchObject({ status: "published", shown: true });
  });

  test("nothing is decided while it cannot be said whose it is", async () => {
    const id = await held("post");
    const { people } = forum.world;
    people.get = () => {
      throw new AppError("UNAVAILABLE");
    };
    try {
      expect(await decide(forum, moderator, id, { decision: "remove" })).toBe("503 UNAVAILABLE");
    } finally {
      people.get = (person) => Map.prototype.get.call(people, person);
    }
    expect((await find("post"))?.status).toBe("held");
  });

  test("what moderators do elsewhere is in the log, each once", async () => {
    expect(await forum.outcome("PUT", `/posts/${post.id}/pin`, { as: moderator })).toBe("204");
    expect(await forum.outcome("DELETE", `/posts/${post.id}`, { as: moderator })).toBe("204");
    const entries = await eventually(async () => {
      const found = await forum.store.log.find({ subjectId: post.id }, { sort: { at: 1 } });
      return found.length === 2 ? found : undefined;
    });
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ["pin", moderator],
      ["remove", moderator],
    ]);
  });
});
