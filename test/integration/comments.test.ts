/** Comments: two levels, moderated, counted. */
import { newId } from "../../lib/ids.ts";
import type { Club, Comment, Forum } from "../support/posts.ts";
import { startForum } from "../support/posts.ts";

let forum: Forum;
let club: Club;
let author: string;
let reader: string;
let moderator: string;
let post: string;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(async () => {
  club = forum.club();
  author = forum.member(club);
  reader = forum.person("Reader");
  moderator = forum.moderator();
  post = (await forum.post(author, { clubId: club.id })).id;
});

const write = (body: object, as?: string, id = post) =>
  forum.outcome("POST", `/posts/${id}/comments`, { as, body });
const remove = (id: string, as: string) => forum.outcome("DELETE", `/comments/${id}`, { as });
const bodies = async (query: object = {}, as?: string) =>
  (await forum.comments(post, query, as)).items.map(({ body }) => body);
const count = async () => (await forum.get(post, author)).commentCount;

test("is answered with what was written, and counted", async () => {
  const answer = await forum.call<Comment>("POST", `/posts/${post}/comments`, {
    as: reader,
    body: { body: " Do they?\r\nReally? " },
  });
  expect(answer.status).toBe(201);
  expect(answer.body).toMatchObject({
    postId: post,
    parentId: null,
    author: { id: reader, displayName: "Reader" },
    body: "Do they?\nReally?",
    status: "published",
  });
  expect((await forum.comments(post)).items).toEqual([answer.body]);
  expect(await count()).toBe(1);
});

test("has two levels, oldest first; parentId gives the answers to one", async () => {
  const { id: top } = await forum.comment(post, reader, { body: "1" });
  await forum.comment(post, author, { body: "1.1", parentId: top });
  const { id: other } = await forum.comment(post, reader, { body: "2", parentId: null });
  const { id: answer } = await forum.comment(post, reader, { body: "2.1", parentId: other });
  expect(await bodies()).toEqual(["1", "1.1", "2", "2.1"]);
  expect(await bodies({ parentId: top })).toEqual(["1.1"]);
  const wrong = "422 VALIDATION_FAILED parentId=INVALID_REFERENCE";
  expect(await write({ body: "x", parentId: answer }, reader)).toBe(
    "422 VALIDATION_FAILED parentId=NOT_A_TOP_COMMENT",
  );
  expect(await write({ body: "x", parentId: newId() }, reader)).toBe(wrong);
  const elsewhere = await forum.post(author);
  expect(await write({ body: "x", parentId: top }, reader, elsewhere.id)).toBe(wrong);
  await remove(top, reader);
  expect(await write({ body: "x", parentId: top }, reader)).toBe(wrong);
  expect(await bodies()).toEqual(["1.1", "2", "2.1"]);
  expect(await bodies({ parentId: top })).toEqual(["1.1"]);
  expect(await count()).toBe(3);
});

test("pages are stable", async () => {
  for (let i = 0; i < 5; i++) await forum.comment(post, reader, { body: String(i) });
  const first = await forum.comments(post, { limit: 2 });
  await forum.comment(post, reader, { body: "new" });
  const second = await forum.comments(post, { limit: 2, cursor: first.nextCursor as string });
  const third = await forum.comments(post, { limit: 2, cursor: second.nextCursor as string });
  expect([first, second, third].flatMap(({ items }) => items.map(({ body }) => body))).toEqual([
    "0",
    "1",
    "2",
    "3",
    "4",
    "new",
  ]);
  expect(third.nextCursor).toBeNull();
  const cursor = first.nextCursor as string;
  const other = await forum.post(author);
  expect(await forum.outcome("GET", `/posts/${other.id}/comments?cursor=${cursor}`)).toMatch(
    /^422 INVALID_CURSOR/,
  );
});

test("refuses in the right order", async () => {
  expect(await write({ body: "x" })).toBe("401 UNAUTHENTICATED");
  expect(await write({ body: "x" }, reader, "nowhere")).toBe("422 VALIDATION_FAILED id=INVALID_FORMAT");
  expect(await write({ nonsense: 1 }, reader, newId())).toBe("404 NOT_FOUND");
  expect(await write({ body: "" }, reader)).toMatch(/^422 VALIDATION_FAILED body=/);
  expect(await write({ body: "x".repeat(5_001) }, reader)).toMatch(/^422 VALIDATION_FAILED body=/);
  await forum.ok("PUT", `/posts/${post}/lock`, { as: club.president });
  expect(await write({ body: "x" }, reader)).toBe("409 POST_LOCKED");
  await forum.ok("DELETE", `/posts/${post}/lock`, { as: club.president });
  expect(await write({ body: "x" }, reader)).toBe("201");
  forum.setStatus(club, "suspended");
  expect(await write({ body: "x" }, reader)).toBe("409 CLUB_NOT_ACTIVE");
  await forum.ok("DELETE", `/posts/${post}`, { as: author });
  expect(await write({ body: "x" }, author)).toBe("409 NOT_PUBLISHED");
  expect(await write({ body: "x" }, reader)).toBe("404 NOT_FOUND");
  expect(await forum.outcome("GET", `/posts/${post}/comments`)).toBe("404 NOT_FOUND");
  expect(await bodies({}, moderator)).toEqual(["x"]);
});

test("is made once for one Idempotency-Key", async () => {
  const key = newId();
  const twice = [0, 1].map(() =>
    forum.call<Comment>("POST", `/posts/${post}/comments`, { as: reader, body: { body: "Once" }, key }),
  );
  await Promise.all(twice);
  const again = await forum.call<Comment>("POST", `/posts/${post}/comments`, {
    as: reader,
    body: { body: "Once" },
    key,
  });
  expect(again.status).toBe(201);
  expect(await bodies()).toEqual(["Once"]);
  expect(await count()).toBe(1);
});

test("is removed by its author or a moderator, who tells the author", async () => {
  const [mine, theirs] = [await forum.comment(post, reader), await forum.comment(post, author)];
  expect(await remove(mine.id, author)).toBe("403 FORBIDDEN");
  expect([await remove(mine.id, reader), await remove(mine.id, reader)]).toEqual(["204", "204"]);
  expect(await remove(mine.id, author)).toBe("404 NOT_FOUND");
  expect(await forum.told("moderation.removed", mine.id)).toEqual([]);
  expect([await remove(theirs.id, moderator), await remove(theirs.id, moderator)]).toEqual(["204", "204"]);
  const about = { subject: { type: "comment", id: theirs.id }, postId: post, authorId: author };
  expect(await forum.told("moderation.removed", theirs.id)).toMatchObject([
    { actor: moderator, data: about },
  ]);
  expect(await forum.told("moderation.acted", theirs.id)).toMatchObject([{ data: { action: "remove" } }]);
  expect(await bodies({}, author)).toEqual([]);
  expect(await count()).toBe(0);
});

test("of fifty at once, some removed meanwhile, are counted exactly", async () => {
  const made = await Promise.all(Array.from({ length: 50 }, () => forum.comment(post, reader)));
  expect(await count()).toBe(50);
  await Promise.all([
    ...made.slice(0, 20).map(({ id }) => remove(id, reader)),
    ...Array.from({ length: 5 }, () => forum.comment(post, reader)),
  ]);
  expect(await count()).toBe(35);
}, 60_000);

test("a page ends where an answer would become too large", async () => {
  for (let i = 0; i < 40; i++) await forum.comment(post, reader, { body: "船".repeat(5_000) });
  const page = await forum.comments(post, { limit: 100 });
  expect(page.items.length).toBeLessThan(40);
  const rest = await forum.comments(post, { limit: 100, cursor: page.nextCursor as string });
  expect(page.items.length + rest.items.length).toBe(40);
}, 60_000);
