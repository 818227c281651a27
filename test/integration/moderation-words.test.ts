/** The word list over HTTP, and what it does to what people write. */
import { newId } from "../../lib/ids.ts";
import { MAX_WORDS, moderation } from "../../services/posts/moderation.contract.ts";
import type { Word } from "../../services/posts/moderation.contract.ts";
import type { Forum, Post, Problem } from "../support/posts.ts";
import { eventually, startForum } from "../support/posts.ts";

const WORDS = "/moderation/words";
const LIST: Word[] = [
  { word: "forbidden", action: "block" },
  { word: "违禁词", action: "block" },
  { word: "doubtful", action: "hold" },
  { word: "rude", action: "mask" },
  { word: "forbidden city", action: "allow" },
];

let forum: Forum;
let author: string;
let moderator: string;
beforeAll(async () => {
  forum = await startForum();
  author = forum.person("Author");
  moderator = forum.moderator();
}, 60_000);
afterAll(async () => forum?.stop());

/** On a busy machine 100,000 words may take longer than a request does. */
const put = async (words: unknown, as = moderator) => {
  const send = () => forum.call<Problem>("PUT", WORDS, { as, body: words });
  const first = await send();
  return first.status === 503 ? send() : first;
};
const list = (as = moderator) => forum.ok<Word[]>("GET", WORDS, { as });
const post = (fields: object) =>
  forum.call<Post & Problem>("POST", "/posts", {
    as: author,
    body: { title: "A title", body: "A body.", ...fields },
  });
/** What the word list does is seen in a title that it masks. */
const inForce = (word: string): Promise<true> =>
  eventually(async () =>
    (await post({ title: `x ${word} x` })).body.title?.includes("***") ? true : undefined,
  );

function* pieces(length: number): Generator<Uint8Array> {
  const piece = new Uint8Array(65_536).fill(0x20);
  for (let sent = 0; sent < length; sent += piece.length) yield piece;
}

describe("the list", () => {
  test("is the starter list until another is put in its place", async () => {
    const words = await list();
    expect(words.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["block", "hold", "mask", "allow"]),
    );
    const [blocked] = words;
    expect((await post({ title: blocked?.word })).body.code).toBe("FORBIDDEN_CONTENT");
  });

  test("is for moderators and administrators", async () => {
    for (const method of ["GET", "PUT"]) {
      const body = method === "PUT" ? { body: LIST } : {};
      expect(await forum.outcome(method, WORDS, body)).toBe("401 UNAUTHENTICATED");
      expect(await forum.outcome(method, WORDS, { as: author, ...body })).toBe("403 FORBIDDEN");
    }
  });

  test("is answered as it was put, and told to the log", async () => {
    expect(await put(LIST)).toMatchObject({ status: 200, body: { words: LIST.length } });
    expect(await list()).toEqual(LIST);
    const version = (await forum.store.wordLists.findOne({ _id: "head" }))?.list ?? "";
    const told = await eventually(async () => (await forum.told("moderation.acted", version))[0]);
    expect(told).toMatchObject({
      actor: moderator,
      data: { action: "words", subject: { type: "words", id: version } },
    });
  });

  test("takes 100,000 words in 8 MiB, and answers them", async () => {
    const words = Array.from({ length: MAX_WORDS }, (_, i): Word => ({
      word: `词${i.toString(36)}后`,
      action: "block",
    }));
    words[0] = { word: "lastingmask", action: "mask" };
    expect(await put(words)).toMatchObject({ status: 200, body: { words: MAX_WORDS } });
    expect(await list()).toEqual(words);
    await inForce("lastingmask");
    expect((await post({ title: `词${(777).toString(36)}后` })).body.code).toBe("FORBIDDEN_CONTENT");
  });

  test("of two at once one wins whole", async () => {
    const both = ["甲", "乙"].map((mark) =>
      Array.from({ length: 5_000 }, (_, i): Word => ({ word: `${mark}${i}`, action: "block" })),
    );
    expect((await Promise.all(both.map((words) => put(words)))).map(({ status }) => status)).toEqual([
      200, 200,
    ]);
    expect(both).toContainEqual(await list());
  });

  test("may be empty, and is nothing then", async () => {
    expect(await put([])).toMatchObject({ status: 200, body: { words: 0 } });
    expect(await list()).toEqual([]);
    await eventually(async () =>
      (await post({ title: "forbidden-example" })).status === 201 ? true : undefined,
    );
  });
});

describe("a list that is wrong", () => {
  const raw = (
    body: string | Buffer,
    headers: Record<string, string> = { "content-type": "application/json" },
  ) => forum.outcome("PUT", WORDS, { as: moderator, raw: body, headers });

  test("is refused and changes nothing", async () => {
    await put(LIST);
    expect(await raw("[1,")).toBe("400 MALFORMED_JSON");
    expect(await raw(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]))).toBe("400 MALFORMED_JSON");
    expect(await raw("{}")).toBe("422 VALIDATION_FAILED =WRONG_TYPE");
    expect(await raw("[]", { "content-type": "text/plain" })).toBe("415 UNSUPPORTED_MEDIA_TYPE");
    expect(await raw("[]", { "content-type": "application/json", "content-encoding": "gzip" })).toBe(
      "415 UNSUPPORTED_MEDIA_TYPE",
    );
    expect(await list()).toEqual(LIST);
  });

  test("is named by its items", async () => {
    const words = [
      { word: "good", action: "block" },
      { word: "", action: "block" },
      { word: "x" },
      5,
      { word: "y", action: "shout" },
    ];
    expect(await forum.outcome("PUT", WORDS, { as: moderator, body: words })).toMatch(
      /^422 VALIDATION_FAILED \[1\]\.word=\S+ \[2\]\.action=REQUIRED \[3\]=WRONG_TYPE \[4\]\.action=NOT_ALLOWED$/,
    );
    const bad = [
      { word: "Bad Word", action: "block" },
      { word: "ＢＡＤ－ｗｏｒｄ", action: "hold" },
      { word: "bad word", action: "block" },
      { word: "！？", action: "block" },
    ];
    expect(await forum.outcome("PUT", WORDS, { as: moderator, body: bad })).toBe(
      "422 VALIDATION_FAILED [1].word=DUPLICATE [3].word=INVALID",
    );
    const many = Array.from({ length: MAX_WORDS + 1 }, (_, i) => ({ word: `w${i}`, action: "block" }));
    expect(await forum.outcome("PUT", WORDS, { as: moderator, body: many })).toBe(
      "422 VALIDATION_FAILED =TOO_MANY",
    );
  });

  test("is too large beyond 8 MiB, whether or not it says so", async () => {
    const { limit } = moderation.actions.replaceWords.body;
    expect(await raw(`[]${" ".repeat(limit - 2)}`)).toBe("200");
    expect(await raw(`[]${" ".repeat(limit - 1)}`)).toBe("413 PAYLOAD_TOO_LARGE");
    const told = await fetch(`${forum.url}${WORDS}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${forum.tokenOf(moderator)}`, "content-type": "application/json" },
      body: ReadableStream.from(pieces(limit + 1)),
      duplex: "half",
    });
    expect(told.status).toBe(413);
    expect(await told.json()).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });
});

describe("what people write", () => {
  beforeAll(async () => {
    await put(LIST);
    await inForce("rude");
  });

  test("is refused at the field, and the word is not named", async () => {
    const { status, body } = await post({ title: "a f.o.r.b.i.d.d.e.n title", tags: ["fine", "违 禁 词"] });
    expect(status).toBe(422);
    expect(body.code).toBe("FORBIDDEN_CONTENT");
    expect(body.errors?.map(({ field, code }) => `${field}=${code}`)).toEqual([
      "title=FORBIDDEN_CONTENT",
      "tags[1]=FORBIDDEN_CONTENT",
    ]);
    expect(JSON.stringify(body)).not.toMatch(/forbidden[^-]|违禁词/);
  });

  test("is masked letter for letter", async () => {
    const { status, body } = await post({ title: "How ｒｕｄｅ!", body: "So r-u-d-e, not crude." });
    expect(status).toBe(201);
    expect(body).toMatchObject({ title: "How ****!", body: "So *******, not crude." });
  });

  test("is held for a moderator", async () => {
    const { status, body } = await post({ body: "It is doubtful." });
    expect(status).toBe(202);
    expect(body.status).toBe("held");
    expect((await post({ body: "It is doubtful and forbidden." })).status).toBe(422);
  });

  test("a phrase that is allowed exempts the words inside it", async () => {
    expect((await post({ title: "The Forbidden City" })).status).toBe(201);
    expect((await post({ title: "The forbidden, the Forbidden City" })).status).toBe(422);
  });

  test("is looked at again when it is changed, also in comments", async () => {
    const { id } = (await post({})).body;
    const body = { body: "Now forbidden." };
    expect(await forum.outcome("PATCH", `/posts/${id}`, { as: author, body })).toBe(
      "422 FORBIDDEN_CONTENT body=FORBIDDEN_CONTENT",
    );
    expect(await forum.outcome("POST", `/posts/${id}/comments`, { as: author, body })).toMatch(
      /^422 FORBIDDEN/,
    );
  });

  test("a repeat with the key of the first gets the first answer, whatever the list is by now", async () => {
    const key = newId();
    const body = { title: "A fleeting title", body: "A body." };
    const first = await forum.call("POST", "/posts", { as: author, key, body });
    await put([...LIST, { word: "fleeting", action: "block" }]);
    await eventually(async () => ((await post({ title: "fleeting" })).status === 422 ? true : undefined));
    const again = await forum.call("POST", "/posts", { as: author, key, body });
    expect(again).toMatchObject({ status: first.status, body: { id: first.body.id } });
  });
});
