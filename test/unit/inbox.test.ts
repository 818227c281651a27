import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { openDocuments } from "../../lib/documents.ts";
import type { DocumentStore } from "../../lib/documents.ts";
import { Inbox } from "../../services/notifications/inbox.ts";
import type { NotificationDocument, Wishes } from "../../services/notifications/inbox.ts";
import { Mailings } from "../../services/notifications/mailings.ts";
import { KINDS } from "../../services/notifications/notifications.contract.ts";
import { numbered } from "../../services/notifications/numbering.ts";
import type { Notice } from "../../services/notifications/recipients.ts";
import { stopOf, tokenOf } from "../../services/notifications/unsubscribe.ts";

const DAY = 24 * 3_600_000;
const HOUR = 3_600_000;
const everything: Wishes = async () => () => ({ inbox: true, stream: true, email: true });
const nothing = async (): Promise<void> => undefined;
const notice = (to: string[], more: Partial<Notice> = {}): Notice => ({
  to,
  event: "club.deleted",
  kind: "membership",
  subject: { type: "club", id: "c1" },
  values: { clubId: "c1" },
  ...more,
});

let folder: string;
let store: DocumentStore;
let inbox: Inbox;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "inbox-"));
  store = await openDocuments(path.join(folder, "inbox.sqlite"));
  inbox = await Inbox.open(store);
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Tells one message; its notices as they are kept. */
async function tell(id: string, notices: Notice[], at = Date.now()): Promise<NotificationDocument[]> {
  const kept: NotificationDocument[] = [];
  await inbox.tell({ id, at }, notices, everything, async (docs) => void kept.push(...docs));
  return kept;
}
const seqs = async (user: string): Promise<number[]> =>
  (await inbox.after(user, 0, 10_000)).map(({ seq }) => seq);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

test("notifications are kept for a year; who is in two notices of a message gets the first", async () => {
  const now = Date.now();
  await tell("old", [notice(["ann", "bob"])], now - 366 * DAY);
  await tell("new", [notice(["ann"])], now - 364 * DAY);
  const both = [
    notice(["ann"], { event: "application.approved" }),
    notice(["bob", "ann"], { event: "application.outcome" }),
  ];
  expect(await inbox.tell({ id: "both", at: now }, both, everything, nothing)).toEqual(["ann", "bob"]);
  const events = async (user: string) =>
    (await inbox.page(user, { after: null, limit: 10 })).map(({ event }) => event);
  expect(await events("ann")).toEqual(["application.approved", "club.deleted", "club.deleted"]);
  await inbox.sweep(now);
  expect(await events("ann")).toEqual(["application.approved", "club.deleted"]);
  expect(await events("bob")).toEqual(["application.outcome"]);
  expect(await inbox.unread("ann")).toBe(2);
  // What is deleted leaves its number behind.
  await tell("next", [notice(["bob"])]);
  expect(await seqs("bob")).toEqual([2, 3]);
});

describe("numbers", () => {
  test("whatever comes at once, each person's are 1, 2, 3… without a gap, and a repeat makes none", async () => {
    const people = ["ann", "bob", "cyd", "dan"];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.subarray(people, { minLength: 1 }), { maxLength: 12 }),
        async (messages) => {
          const run = Math.random().toString(36);
          const before = new Map(
            await Promise.all(people.map(async (each) => [each, await seqs(each)] as const)),
          );
          const twice = [...messages, ...messages].map((to, i) =>
            tell(`${run}-${i % messages.length}`, [notice(to)]),
          );
          await Promise.all(twice);
          for (const each of people) {
            const told = messages.filter((to) => to.includes(each)).length;
            expect(await seqs(each)).toEqual(upTo((before.get(each)?.length ?? 0) + told));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test("heads that lag behind, as after a crash, only cost another try", async () => {
    await tell("a", [notice(["ann", "bob"])]);
    await tell("b", [notice(["ann"])]);
    const heads = await store.collection<{ _id: string; seq: number }>("heads", { indexes: [] });
    await heads.deleteMany({});
    await tell("c", [notice(["ann", "bob"])]);
    expect(await seqs("ann")).toEqual([1, 2, 3]);
    expect(await seqs("bob")).toEqual([1, 2]);
    expect(await inbox.heads(["ann", "bob", "cyd"])).toEqual(
      new Map([
        ["ann", 3],
        ["bob", 2],
      ]),
    );
  });

  test("notices from before there were numbers get them when the store is opened, once", async () => {
    await store.close();
    const file = path.join(folder, "old.sqlite");
    store = await openDocuments(file);
    const old = await store.collection<{ _id: string; user: string; createdAt: number }>("notifications", {
      indexes: [],
    });
    const docs = [5, 3, 4].map((n) => ({ _id: `m${n}:ann`, user: "ann", createdAt: n, readAt: null }));
    await old.insertMany([...docs, { _id: "m9:bob", user: "bob", createdAt: 9 }]);
    await store.close();
    for (const again of [1, 2]) {
      store = await openDocuments(file);
      inbox = await Inbox.open(store);
      expect((await inbox.after("ann", 0, 10)).map(({ _id }) => _id).slice(0, 3)).toEqual([
        "m3:ann",
        "m4:ann",
        "m5:ann",
      ]);
      await tell(`new-${again}`, [notice(["ann"])]);
      expect(await seqs("ann")).toEqual(upTo(3 + again));
      await store.close();
    }
    store = await openDocuments(file);
  });

  test("numbers that are there stay, and others come after them", () => {
    const doc = (id: string, createdAt: number, seq?: number) => ({
      _id: id,
      user: "ann",
      createdAt,
      ...(seq && { seq }),
    });
    expect(numbered([doc("b", 2), doc("x", 9, 1), doc("a", 2)]).map(({ _id, seq }) => [_id, seq])).toEqual([
      ["a", 2],
      ["b", 3],
    ]);
  });
});

describe("notices that collapse", () => {
  const waiting = (to: string[]): Notice => notice(to, { collapse: "moderation.waiting" });

  test("while one is unread there is no second one; after it was read there is", async () => {
    await tell("a", [waiting(["ann", "bob"])]);
    await tell("b", [waiting(["ann", "bob"])]);
    await tell("other", [notice(["ann"])]);
    expect(await seqs("ann")).toEqual([1, 2]);
    await inbox.read("ann", null, Date.now());
    await tell("c", [waiting(["ann", "bob"])]);
    expect(await seqs("ann")).toEqual([1, 2, 3]);
    expect(await seqs("bob")).toEqual([1]);
  });

  test("ten at once make one", async () => {
    await Promise.all(upTo(10).map((n) => tell(`m${n}`, [waiting(["ann"])])));
    expect(await seqs("ann")).toEqual([1]);
  });
});

describe("mails", () => {
  let mailings: Mailings;
  beforeEach(async () => {
    mailings = await Mailings.open(store, inbox);
  });
  const now = Date.now();
  const told = async (id: string, kind: Notice["kind"], at = now): Promise<void> =>
    mailings.told(await tell(id, [notice(["ann"], { kind })], at), HOUR);
  const claim = async (at: number) => {
    const [due] = await mailings.due(at, 10);
    return due ? mailings.claim(due, HOUR, at) : null;
  };

  test("a digest is due an hour after its first notice, and has those that came meanwhile", async () => {
    await told("a", "application");
    await told("b", "account", now + HOUR / 2);
    expect(await claim(now + HOUR - 1)).toBeNull();
    const digest = await claim(now + HOUR);
    expect(digest?.docs.map(({ seq }) => seq)).toEqual([1, 2]);
    await mailings.done(digest as NonNullable<typeof digest>, now + HOUR);
    expect(await mailings.due(now + 9 * HOUR, 10)).toEqual([]);
  });

  test("what nobody waits an hour to hear of is due at once", async () => {
    await told("a", "application");
    await told("b", "waitlist");
    expect((await claim(now))?.docs).toHaveLength(2);
  });

  test("what comes while a mail is sent is in the next one, and not forgotten", async () => {
    await told("a", "waitlist");
    const digest = await claim(now);
    await told("b", "waitlist");
    expect(digest?.docs).toHaveLength(1);
    await mailings.done(digest as NonNullable<typeof digest>, now);
    const next = await claim(now + 1);
    expect(next?.docs.map(({ seq }) => seq)).toEqual([2]);
    expect(next?.id).not.toBe(digest?.id);
  });

  test("a node that dies with a mail in hand leaves it, as it was settled, to another", async () => {
    await told("a", "waitlist");
    const first = await claim(now);
    await told("b", "waitlist");
    expect(await claim(now + 1)).toBeNull();
    const again = await claim(now + 61_000);
    expect(again).toMatchObject({ id: first?.id, to: first?.to });
    expect(again?.docs).toHaveLength(1);
    await mailings.done(again as NonNullable<typeof again>, now + 61_000);
    // The first one was only slow.
    await mailings.done(first as NonNullable<typeof first>, now + 61_000);
    expect((await claim(now + 61_001))?.docs.map(({ seq }) => seq)).toEqual([2]);
  });

  test("two nodes that look at the same moment do not both take it", async () => {
    await told("a", "waitlist");
    const [due] = await mailings.due(now, 10);
    const both = await Promise.all(
      [1, 2].map(() => mailings.claim(due as NonNullable<typeof due>, HOUR, now)),
    );
    expect(both.filter((each) => each !== null)).toHaveLength(1);
  });
});

describe("the token of a mail", () => {
  const key = Buffer.alloc(32, 7);
  test("says whose it is and what it stops, and cannot be changed", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.subarray([...KINDS], { minLength: 1 }), fc.nat(), (user, kinds, at) => {
        const token = tokenOf(key, { user, kinds });
        expect(stopOf(key, token)).toEqual({ user, kinds });
        const place = at % (user.length + 1);
        const other = token[place] === "0" ? "1" : "0";
        expect(stopOf(key, token.slice(0, place) + other + token.slice(place + 1))).toBeNull();
        expect(stopOf(Buffer.alloc(32, 8), token)).toBeNull();
      }),
    );
    for (const nonsense of ["", ".", "..", "a.b", "a.b.c"]) expect(stopOf(key, nonsense)).toBeNull();
  });
});
