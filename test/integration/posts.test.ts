/** Writing posts, changing and removing them, and who sees them. */
import { newId } from "../../lib/ids.ts";
import type { Club, Forum, Post } from "../support/posts.ts";
import { startForum } from "../support/posts.ts";

let forum: Forum;
let club: Club;
let author: string;
let stranger: string;
let moderator: string;
beforeAll(async () => void (forum = await startForum()), 60_000);
afterAll(async () => forum?.stop());
beforeEach(() => {
  club = forum.club();
  author = forum.member(club);
  stranger = forum.person("Stranger");
  moderator = forum.moderator();
});

const create = (body: object, as = author) => forum.outcome("POST", "/posts", { as, body });
const patch = (id: string, body: object, as = author, ifMatch?: number) =>
  forum.outcome("PATCH", `/posts/${id}`, { as, body, ...(ifMatch !== undefined && { ifMatch }) });
const fields = { title: "Paper boats", body: "They float." };

describe("a new post", () => {
  test("is answered with what was written, rendered", async () => {
    const file = newId();
    forum.world.files.add(file);
    const body = "# Boats\n\n<script>alert(1)</script> *float*";
    const answer = await forum.call("POST", "/posts", {
      as: author,
      body: { clubId: club.id, title: " Paper boats ", body, tags: ["折纸"], fileIds: [file] },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe(`/posts/${answer.body.id}`);
    const { html, ...rest } = answer.body;
    expect(rest).toMatchObject({
      clubId: club.id,
      author: { id: author, displayName: "member" },
      title: "Paper boats",
      body,
      tags: ["折纸"],
      fileIds: [file],
      status: "published",
      pinned: false,
      locked: false,
      likeCount: 0,
      viewCount: 0,
      commentCount: 0,
      liked: false,
      version: 1,
    });
    expect(html).toContain("<em>float</em>");
    expect(html).not.toContain("<script");
    const { liked: _liked, ...seen } = answer.body;
    expect(await forum.get(answer.body.id)).toEqual(seen);
    expect(forum.world.claims.at(-1)).toEqual({
      subject: { type: "post", id: answer.body.id },
      user: author,
      purpose: "post",
      fileIds: [file],
    });
    const told = await forum.told("posts.published", answer.body.id);
    expect(told).toMatchObject([
      { actor: author, aggregate: { type: "post", version: 1 }, data: { clubId: club.id, authorId: author } },
    ]);
  });

  test.each([
    [{ ...fields, title: "" }, "title=TOO_SHORT"],
    [{ ...fields, title: "x".repeat(201) }, "title=TOO_LONG"],
    [{ title: "x" }, "body=REQUIRED"],
    [{ ...fields, body: "x".repeat(50_001) }, "body=TOO_LONG"],
    [{ ...fields, tags: ["a", "a"] }, "tags=NOT_UNIQUE"],
    [{ ...fields, clubId: "nowhere" }, "clubId=INVALID_FORMAT"],
    [{ ...fields, nonsense: 1 }, "nonsense=UNKNOWN_FIELD"],
  ])("is refused by its form: %#", async (body, why) => {
    const [field] = why.split("=");
    expect(await create(body)).toMatch(new RegExp(`^422 VALIDATION_FAILED ${field}=`));
  });

  test("that becomes too large when it is rendered is refused", async () => {
    const table = (rows: number) =>
      ["|a".repeat(100), "|:-:".repeat(100), ...Array.from({ length: rows }, () => "|".repeat(101))].join(
        "\n",
      );
    expect(await create({ ...fields, body: table(10) })).toBe("201");
    expect(await create({ ...fields, body: table(480) })).toBe("422 VALIDATION_FAILED body=TOO_COMPLEX");
  });

  test("in a club is for its members", async () => {
    const body = { ...fields, clubId: club.id };
    expect(await forum.outcome("POST", "/posts", { body })).toBe("401 UNAUTHENTICATED");
    expect(await create(body, stranger)).toBe("403 FORBIDDEN");
    expect(await create({ ...fields, clubId: newId() }, stranger)).toBe("404 NOT_FOUND");
    forum.setStatus(club, "suspended");
    expect(await create(body, stranger)).toBe("404 NOT_FOUND");
    expect(await create(body)).toBe("409 CLUB_NOT_ACTIVE");
  });

  test("names the files that cannot be used", async () => {
    const [known, unknown] = [newId(), newId()];
    forum.world.files.add(known);
    expect(await create({ ...fields, fileIds: [known, unknown] })).toBe(
      "422 VALIDATION_FAILED fileIds[1]=INVALID_REFERENCE",
    );
  });

  test("is made once for one Idempotency-Key", async () => {
    const key = newId();
    const first = await forum.call("POST", "/posts", { as: author, body: fields, key });
    const again = await forum.call("POST", "/posts", { as: author, body: fields, key });
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    expect(again.headers["idempotency-replayed"]).toBe("true");
  });
});

describe("a change", () => {
  test("has a new version, keeps what was said before, and is told", async () => {
    const { id } = await forum.post(author);
    const changed = await forum.ok("PATCH", `/posts/${id}`, {
      as: author,
      body: { body: "They **sink**." },
      ifMatch: 1,
    });
    expect(changed).toMatchObject({ title: "Paper boats", body: "They **sink**.", version: 2 });
    expect(changed.html).toContain("<strong>sink</strong>");
    expect((await forum.get(id)).body).toBe("They **sink**.");
    expect(await forum.store.revisions.find({ post: id })).toMatchObject([
      { _id: `${id}:1`, title: "Paper boats", body: "They *float*." },
    ]);
    expect(await forum.told("posts.changed", id)).toMatchObject([{ aggregate: { version: 2 } }]);
  });

  test("that changes nothing has no new version", async () => {
    const { id } = await forum.post(author, { tags: ["a"] });
    const same = await forum.ok("PATCH", `/posts/${id}`, {
      as: author,
      body: { tags: ["a"], title: "Paper boats" },
    });
    expect(same.version).toBe(1);
    expect(await forum.store.revisions.count({ post: id })).toBe(0);
  });

  test("refuses in the right order", async () => {
    const { id } = await forum.post(author, { clubId: club.id });
    expect(await patch("nowhere", {})).toBe("422 VALIDATION_FAILED id=INVALID_FORMAT");
    expect(await patch(newId(), {})).toBe("404 NOT_FOUND");
    expect(await patch(id, { nonsense: 1 }, stranger)).toBe("403 FORBIDDEN");
    expect(await patch(id, { title: "x" }, moderator)).toBe("403 FORBIDDEN");
    expect(await patch(id, { fileIds: [newId()] }, author, 7)).toBe(
      "422 VALIDATION_FAILED fileIds[0]=INVALID_REFERENCE",
    );
    forum.setStatus(club, "suspended");
    expect(await patch(id, { title: "Else" }, author, 7)).toBe("412 PRECONDITION_FAILED");
    expect(await patch(id, { title: "Else" })).toBe("409 CLUB_NOT_ACTIVE");
    forum.setStatus(club, "active");
    expect(await patch(id, { title: "Else" }, author, 1)).toBe("200");
    await forum.ok("DELETE", `/posts/${id}`, { as: author });
    expect(await patch(id, { title: "Again" })).toBe("409 NOT_PUBLISHED");
  });

  test("asks for new files alone", async () => {
    const [kept, added] = [newId(), newId()];
    forum.world.files.add(kept).add(added);
    const { id } = await forum.post(author, { fileIds: [kept] });
    forum.world.files.delete(kept);
    expect(await patch(id, { fileIds: [added, kept] })).toBe("200");
    expect(forum.world.claims.at(-1)).toMatchObject({ subject: { type: "post", id }, fileIds: [added] });
  });

  test("of ten at once are each on what was there", async () => {
    const { id } = await forum.post(author);
    const titles = Array.from({ length: 10 }, (_, i) => `Title ${i}`);
    const done = await Promise.all(titles.map((title) => patch(id, { title })));
    const changed = done.filter((each) => each === "200").length;
    expect(changed).toBeGreaterThan(0);
    const { version } = await forum.get(id);
    expect(version).toBe(1 + changed);
    expect(await forum.store.revisions.count({ post: id })).toBe(changed);
  });
});

describe("a removal", () => {
  const remove = (id: string, as: string) => forum.outcome("DELETE", `/posts/${id}`, { as });

  test("by its author hides it from all but them and moderators", async () => {
    const { id } = await forum.post(author, { clubId: club.id });
    expect(await remove(id, stranger)).toBe("403 FORBIDDEN");
    expect(await remove(id, author)).toBe("204");
    for (const as of [undefined, stranger, club.president])
      expect(await forum.outcome("GET", `/posts/${id}`, { as })).toBe("404 NOT_FOUND");
    for (const as of [author, moderator]) expect((await forum.get(id, as)).status).toBe("removed");
    expect((await forum.list({ clubId: club.id })).items).toEqual([]);
    expect((await forum.list({ authorId: author }, author)).items).toEqual([]);
    expect(await remove(id, author)).toBe("204");
    expect(await remove(id, stranger)).toBe("404 NOT_FOUND");
    expect(await forum.told("posts.removed", id)).toMatchObject([{ data: { by: "author" } }]);
    expect(await forum.told("moderation.removed", id)).toEqual([]);
  });

  test("by a moderator is told to the author, and to the log", async () => {
    const { id } = await forum.post(author);
    expect(await remove(id, moderator)).toBe("204");
    expect(await remove(id, moderator)).toBe("204");
    const about = { subject: { type: "post", id }, postId: id, authorId: author };
    expect(await forum.told("posts.removed", id)).toMatchObject([{ data: { by: "moderator" } }]);
    expect(await forum.told("moderation.removed", id)).toMatchObject([{ actor: moderator, data: about }]);
    expect(await forum.told("moderation.acted", id)).toMatchObject([
      { actor: moderator, data: { action: "remove", subject: { type: "post", id }, comment: null } },
    ]);
    expect((await forum.get(id, author)).status).toBe("removed");
  });
});

describe("pinning and locking", () => {
  const set = (id: string, what: string, as: string) => forum.outcome("PUT", `/posts/${id}/${what}`, { as });
  const unset = (id: string, what: string, as: string) =>
    forum.outcome("DELETE", `/posts/${id}/${what}`, { as });

  test.each([
    ["pin", "pinned"],
    ["lock", "locked"],
  ] as const)("%s: by officers of its club and moderators, idempotent", async (what, field) => {
    const { id } = await forum.post(author, { clubId: club.id });
    const officer = forum.member(club, "officer");
    for (const as of [author, stranger]) expect(await set(id, what, as)).toBe("403 FORBIDDEN");
    for (let times = 0; times < 2; times++) expect(await set(id, what, officer)).toBe("204");
    expect((await forum.get(id))[field]).toBe(true);
    expect(await forum.told("moderation.acted", id)).toEqual([]);
    for (let times = 0; times < 2; times++) expect(await unset(id, what, moderator)).toBe("204");
    expect((await forum.get(id))[field]).toBe(false);
    expect(await forum.told("moderation.acted", id)).toMatchObject([{ data: { action: `un${what}` } }]);
    forum.setStatus(club, "suspended");
    expect(await set(id, what, officer)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await set(id, what, moderator)).toBe("204");
  });

  test("without a club by moderators alone", async () => {
    const { id } = await forum.post(author);
    expect(await set(id, "pin", author)).toBe("403 FORBIDDEN");
    expect(await set(id, "pin", moderator)).toBe("204");
    expect(await set(newId(), "pin", moderator)).toBe("404 NOT_FOUND");
  });

  test("what is not published is not pinned", async () => {
    const { id } = await forum.post(author);
    await forum.ok("DELETE", `/posts/${id}`, { as: author });
    expect(await set(id, "pin", moderator)).toBe("409 NOT_PUBLISHED");
  });
});

test("the whole of a post is known again by its tag, and what is the caller's own is theirs", async () => {
  const { id } = await forum.post(author);
  const first = await forum.call("GET", `/posts/${id}`);
  expect(first.headers.etag).toMatch(/^"1\./);
  const headers = { "if-none-match": first.headers.etag as string };
  expect((await forum.call("GET", `/posts/${id}`, { headers, as: author })).status).toBe(200);
  await forum.like(id, author);
  expect(await forum.get(id, author)).toMatchObject({ liked: true, likeCount: 1 });
  expect((await forum.get(id)).liked).toBeUndefined();
});

test("the erased author is nobody, in the reader's language", async () => {
  const gone = forum.person("Gone", { status: "erased" });
  const { id } = await forum.post(gone);
  const read = async (language: string) =>
    (await forum.call("GET", `/posts/${id}`, { headers: { "accept-language": language } })).body.author;
  expect(await read("en")).toEqual({ id: null, displayName: "deleted user", avatarFileId: null });
  expect(await read("zh-CN")).toEqual({ id: null, displayName: "已注销用户", avatarFileId: null });
});

describe("a club that is not active", () => {
  test("shows its posts to their authors alone, and again when it is active", async () => {
    const posts: Post[] = [];
    for (let i = 0; i < 3; i++) posts.push(await forum.post(author, { clubId: club.id }));
    const [{ id }] = posts as [Post, ...Post[]];
    await forum.become(club, "suspended");
    expect(await forum.outcome("GET", `/posts/${id}`, { as: stranger })).toBe("404 NOT_FOUND");
    expect((await forum.get(id, author)).status).toBe("published");
    expect((await forum.list({ clubId: club.id })).items).toEqual([]);
    expect(await forum.told("posts.changed", id)).toHaveLength(1);
    await forum.become(club, "active");
    expect((await forum.get(id)).status).toBe("published");
    expect((await forum.list({ clubId: club.id })).items).toHaveLength(3);
  });

  test("hides a post that was written while it was suspended", async () => {
    // The club answers that it is active, and is not when it is asked again.
    let asked = 0;
    forum.world.onClub = () => {
      if (++asked === 1) return;
      forum.setStatus(club, "suspended");
    };
    const { id } = await forum.post(author, { clubId: club.id });
    forum.world.onClub = () => undefined;
    expect(await forum.outcome("GET", `/posts/${id}`)).toBe("404 NOT_FOUND");
    await forum.become(club, "active");
    expect((await forum.get(id)).id).toBe(id);
  });
});
