/** Posts and comments in which the word list finds what a moderator is to look at. */
import { newId } from "../../lib/ids.ts";
import type { Comment, Forum } from "../support/posts.ts";
import { eventually, startForum } from "../support/posts.ts";

const HELD = "quaggish";
const BLOCKED = "zorblax";
const MASKED = "flimwort";

let forum: Forum;
let author: string;
let stranger: string;
let moderator: string;
beforeAll(async () => {
  forum = await startForum();
  const words = [
    { word: HELD, action: "hold" },
    { word: BLOCKED, action: "block" },
    { word: MASKED, action: "mask" },
  ];
  await forum.ok("PUT", "/moderation/words", { as: forum.moderator(), body: words });
  // The list is taken by every node within seconds.
  const body = { title: BLOCKED, body: "-" };
  await eventually(async () => {
    const { status } = await forum.call("POST", "/posts", { as: forum.person(), body });
    return status === 422 || undefined;
  });
}, 60_000);
afterAll(async () => forum?.stop());
beforeEach(() => {
  author = forum.person("Author");
  stranger = forum.person("Stranger");
  moderator = forum.moderator();
});

const fields = (more: object = {}) => ({ title: "Paper boats", body: "They float.", ...more });
const read = (path: string, as?: string) => forum.outcome("GET", path, { as });

describe("a post", () => {
  test.each([
    ["title", { title: `Boats ${HELD}` }],
    ["body", { body: `Boats ${HELD}` }],
    ["tags", { tags: [HELD] }],
  ])("is held for what is in its %s: 202, seen by its author and moderators", async (_field, more) => {
    const answer = await forum.call("POST", "/posts", { as: author, body: fields(more) });
    expect([answer.status, answer.body.status]).toEqual([202, "held"]);
    const { id } = answer.body;
    for (const as of [undefined, stranger]) {
      expect(await read(`/posts/${id}`, as)).toBe("404 NOT_FOUND");
      expect(await read(`/posts/${id}/comments`, as)).toBe("404 NOT_FOUND");
    }
    for (const as of [author, moderator]) expect((await forum.get(id, as)).status).toBe("held");
    expect((await forum.list({ authorId: author })).items).toEqual([]);
    expect((await forum.list({ authorId: author }, author)).items).toMatchObject([{ id, status: "held" }]);
    const stored = await forum.stored(id);
    expect(stored).toMatchObject({ shown: false, case: { why: "word", decision: null } });
    expect(stored?.waitingSince).toEqual(stored?.case?.at);
    expect(await forum.told("posts.published", id)).toEqual([]);
    expect(await forum.told("posts.held", id)).toHaveLength(1);
    expect(await forum.told("moderation.held", id)).toMatchObject([
      {
        data: {
          subject: { type: "post", id },
          postId: id,
          authorId: author,
          caseId: stored?.case?.id,
          why: "word",
        },
      },
    ]);
  });

  test("is held once for one Idempotency-Key", async () => {
    const request = { as: author, body: fields({ title: HELD }), key: newId() };
    const [first, again] = [
      await forum.call("POST", "/posts", request),
      await forum.call("POST", "/posts", request),
    ];
    expect([first.status, again.status, again.body.id]).toEqual([202, 202, first.body.id]);
  });

  test("that waits can be changed and removed, but not liked, pinned or answered", async () => {
    const { id } = await forum.post(author, { title: HELD });
    const before = await forum.stored(id);
    const changed = await forum.ok("PATCH", `/posts/${id}`, { as: author, body: { title: "Harmless" } });
    expect(changed).toMatchObject({ title: "Harmless", status: "held", version: 2 });
    expect((await forum.stored(id))?.case).toEqual(before?.case);
    expect(await forum.like(id, author)).toBe("409 NOT_PUBLISHED");
    expect(await forum.like(id, stranger)).toBe("404 NOT_FOUND");
    expect(await forum.outcome("PUT", `/posts/${id}/pin`, { as: moderator })).toBe("409 NOT_PUBLISHED");
    const comment = { as: author, body: { body: "x" } };
    expect(await forum.outcome("POST", `/posts/${id}/comments`, comment)).toBe("409 NOT_PUBLISHED");
    await forum.ok("DELETE", `/posts/${id}`, { as: author });
    const after = await forum.stored(id);
    expect(after).toMatchObject({ status: "removed", case: { decision: "remove" } });
    expect(after?.waitingSince).toBeUndefined();
  });

  test("that was published is held by a change, and out of all lists at once", async () => {
    const { id } = await forum.post(author);
    expect((await forum.get(id)).status).toBe("published");
    const changed = await forum.ok("PATCH", `/posts/${id}`, { as: author, body: { body: HELD } });
    expect(changed).toMatchObject({ status: "held", version: 2 });
    expect(await read(`/posts/${id}`)).toBe("404 NOT_FOUND");
    const { items } = await forum.ok<{ items: { id: string }[] }>("GET", "/posts/hot?limit=100");
    expect(items.map((each) => each.id)).not.toContain(id);
    expect((await forum.stored(id))?.case).toMatchObject({ why: "word", decision: null });
    expect(await forum.told("posts.held", id)).toHaveLength(1);
    expect(await forum.store.revisions.count({ post: id })).toBe(1);
  });

  test("is refused or masked where the list says so", async () => {
    const create = (body: object) => forum.outcome("POST", "/posts", { as: author, body });
    expect(await create(fields({ body: BLOCKED }))).toBe("422 FORBIDDEN_CONTENT body=FORBIDDEN_CONTENT");
    const masked = await forum.post(author, { title: `Boats ${MASKED}` });
    expect(masked.title).toMatch(/^Boats \*+/);
    expect(masked.status).toBe("published");
    const patched = { as: author, body: { title: BLOCKED } };
    expect(await forum.outcome("PATCH", `/posts/${masked.id}`, patched)).toBe(
      "422 FORBIDDEN_CONTENT title=FORBIDDEN_CONTENT",
    );
  });
});

describe("a comment", () => {
  test("is held: 202, seen by its author alone, not counted, not answered", async () => {
    const { id: post } = await forum.post(author);
    const answer = await forum.call<Comment>("POST", `/posts/${post}/comments`, {
      as: stranger,
      body: { body: HELD },
    });
    expect([answer.status, answer.body.status]).toEqual([202, "held"]);
    const { id } = answer.body;
    expect((await forum.comments(post)).items).toEqual([]);
    expect((await forum.comments(post, {}, author)).items).toEqual([]);
    expect((await forum.comments(post, {}, stranger)).items).toEqual([answer.body]);
    expect((await forum.get(post)).commentCount).toBe(0);
    expect(
      await forum.outcome("POST", `/posts/${post}/comments`, {
        as: author,
        body: { body: "x", parentId: id },
      }),
    ).toBe("422 VALIDATION_FAILED parentId=INVALID_REFERENCE");
    expect(await forum.told("moderation.held", id)).toMatchObject([
      { data: { subject: { type: "comment", id }, postId: post, authorId: stranger, why: "word" } },
    ]);
    await forum.ok("DELETE", `/comments/${id}`, { as: stranger });
    const stored = await forum.store.comments.findOne({ _id: id });
    expect(stored).toMatchObject({ status: "removed", case: { decision: "remove" } });
    expect(stored?.waitingSince).toBeUndefined();
  });
});

test("what a node that died has not told is told by a sweep", async () => {
  const { id } = await forum.post(author);
  const nobody = { actor: null, requestId: null };
  const told = { id: newId(), type: "posts.changed", at: Date.now(), version: 1, ...nobody, data: {} };
  await forum.store.posts.updateOne({ _id: id }, { $set: { outbox: [told], pending: true } });
  await forum.keeping.takeUp();
  expect(await forum.told("posts.changed", id)).toMatchObject([
    { id: told.id, aggregate: { id, version: 1 } },
  ]);
  expect((await forum.stored(id))?.pending).toBe(false);
});
