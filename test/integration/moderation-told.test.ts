/** Who is told what of moderation, through the whole federation. */
import { eventually, startFederation } from "../support/federation.ts";
import type { Caller, Federation, Person } from "../support/federation.ts";

interface Notice {
  title: string;
  body: string;
  kind: string;
  subject: { type: string; id: string };
}

let all: Federation;
let author: Person;
let moderator: Person;
let reporters: Person[];
let post: string;

beforeAll(async () => {
  all = await startFederation();
  [author, moderator, ...reporters] = (await Promise.all(
    Array.from({ length: 5 }, () => all.register()),
  )) as [Person, Person, ...Person[]];
  const { token } = await all.admin();
  await all.ok("PUT", `/users/${moderator.id}/roles`, { token, body: { roles: ["moderator"] } });
}, 120_000);
afterAll(() => all?.stop());
beforeEach(async () => void (post = await write()));

/** A new post of the author. */
const write = async (): Promise<string> => {
  const body = { title: "Paper boats", body: "They float." };
  return (await all.ok<{ id: string }>("POST", "/posts", { token: author.token, body })).id;
};

const inbox = async ({ token }: Caller, language = "en"): Promise<Notice[]> => {
  const headers = { "accept-language": language };
  return (await all.ok<{ items: Notice[] }>("GET", "/notifications?limit=100", { token, headers })).items;
};
/** What somebody is told of a content. */
const told = (person: Caller, title: string, id: string, language?: string) =>
  eventually(async () =>
    (await inbox(person, language)).find((each) => each.title === title && each.subject.id === id),
  );
const reportAll = async (target: string): Promise<void> => {
  for (const { token } of reporters)
    await all.ok("POST", `${target}/reports`, { token, body: { reason: "spam" } });
};
const decide = async (id: string, body: object): Promise<void> => {
  const { token } = moderator;
  const { items } = await all.ok<{ items: { id: string; subject: { id: string } }[] }>(
    "GET",
    "/moderation/queue?limit=100",
    { token },
  );
  const waiting = items.find(({ subject }) => subject.id === id);
  await all.ok("POST", `/moderation/${waiting?.id}/decision`, { token, body });
};

test("a post that is held and removed: its author is told of both, with the reason, in both languages", async () => {
  await reportAll(`/posts/${post}`);
  expect(await told(author, "Your post is held for review", post)).toMatchObject({
    kind: "moderation",
    subject: { type: "post", id: post },
  });
  await decide(post, { decision: "remove", comment: "广告，请勿重复发布。" });
  expect((await told(author, "Your post was removed", post)).body).toBe("广告，请勿重复发布。");
  expect((await told(author, "您的帖子已被移除", post, "zh-CN")).body).toBe("广告，请勿重复发布。");
  expect((await told(author, "您的帖子正在等待审核", post, "zh-CN")).body).toContain("举报");
});

test("a comment that is held and approved", async () => {
  const { token } = author;
  const target = `/posts/${post}/comments`;
  const { id } = await all.ok<{ id: string }>("POST", target, { token, body: { body: "Do they?" } });
  await reportAll(`/comments/${id}`);
  await told(author, "Your comment is held for review", id);
  await decide(id, { decision: "approve" });
  expect(await told(author, "Your comment was approved", id)).toMatchObject({
    subject: { type: "comment", id },
  });
  await told(author, "您的评论已通过审核", id, "zh-CN");
});

test("moderators are told once that something waits, and again after they have read it", async () => {
  const { token } = moderator;
  const waiting = async () =>
    (await inbox(moderator)).filter(({ title }) => title === "Something waits for a moderator");
  await all.ok("POST", "/notifications/read", { token, body: { all: true } });
  const before = (await waiting()).length;
  const other = await write();
  await reportAll(`/posts/${post}`);
  await told(moderator, "Something waits for a moderator", post);
  await reportAll(`/posts/${other}`);
  await told(author, "Your post is held for review", other);
  expect(await waiting()).toHaveLength(before + 1);
  await all.ok("POST", "/notifications/read", { token, body: { all: true } });
  for (const id of [post, other]) await decide(id, { decision: "approve" });
  const third = await write();
  await reportAll(`/posts/${third}`);
  await told(moderator, "Something waits for a moderator", third);
  expect(await waiting()).toHaveLength(before + 2);
});

test("a post that a moderator removes outside the queue", async () => {
  await all.ok("DELETE", `/posts/${post}`, { token: moderator.token });
  expect((await told(author, "Your post was removed", post)).body).toBe("A moderator has removed it.");
  // Whoever did it is not told, nor is the author of what they remove themselves.
  const own = await write();
  await all.ok("DELETE", `/posts/${own}`, { token: author.token });
  const last = await write();
  await reportAll(`/posts/${last}`);
  await told(author, "Your post is held for review", last);
  expect((await inbox(author)).filter(({ subject }) => subject.id === own)).toEqual([]);
});
