import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import type { Claim } from "../../middlewares/idempotency.ts";
import { documentKeys } from "../../mixins/document-keys.ts";
import type { DocumentKeys } from "../../mixins/document-keys.ts";
import { engine } from "../support/document-engine.ts";

const DAY = 24 * 3_600_000;
interface Stored {
  _id: string;
  leaseUntil: number;
  createdAt: number;
}

let folder: string;
let store: DocumentStore;
let keys: DocumentKeys;
let stored: Collection<Stored>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "keys-"));
  store = await engine.current.open(path.join(folder, "keys.sqlite"));
  keys = await documentKeys(store);
  stored = await store.collection<Stored>("idempotencyKeys", { indexes: [] });
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

type Mine = Extract<Claim, { state: "mine" }>;
const claim = async (row: string, mac = "mac"): Promise<Mine> => {
  const got = await keys.claim("u1", row, mac);
  if (got.state !== "mine") throw new Error(`It is ${got.state}.`);
  return got;
};
const endLease = (row: string) => stored.updateOne({ _id: row }, { $set: { leaseUntil: 1 } });

test("one of many at once gets the key, the others see it run, and then its answer", async () => {
  const claims = await Promise.all(Array.from({ length: 10 }, () => keys.claim("u1", "at-once", "mac")));
  const mine = claims.filter((each): each is Mine => each.state === "mine");
  expect(mine).toHaveLength(1);
  expect(claims.filter(({ state }) => state === "running")).toHaveLength(9);
  const answer = { status: 200, body: { "a.b": [1, null], $x: "东西" } };
  await keys.close("u1", "at-once", mine[0]?.lease ?? "", answer);
  expect(await keys.claim("u1", "at-once", "other")).toEqual({ state: "done", mac: "mac", answer });
});

test("a released key runs again with the same id; so does one whose lease has ended, once", async () => {
  const first = await claim("again");
  expect(first.repeated).toBe(false);
  await keys.release("u1", "again", first.lease);
  const second = await claim("again");
  expect(second).toMatchObject({ id: first.id, repeated: true });
  await endLease("again");
  const claims = await Promise.all([1, 2, 3].map(() => keys.claim("u1", "again", "mac")));
  expect(claims.filter(({ state }) => state === "mine")).toEqual([
    { state: "mine", id: first.id, repeated: true, lease: expect.any(String) },
  ]);
});

test("who has lost the lease can neither close the key nor release it", async () => {
  const first = await claim("lost");
  await endLease("lost");
  const second = await claim("lost");
  await expect(keys.close("u1", "lost", first.lease, { status: 200 })).rejects.toMatchObject({
    type: "IDEMPOTENCY_IN_PROGRESS",
  });
  await keys.release("u1", "lost", first.lease);
  expect((await keys.claim("u1", "lost", "mac")).state).toBe("running");
  await keys.close("u1", "lost", second.lease, { status: 200 });
  // An answer that is kept is not taken back.
  await keys.release("u1", "lost", second.lease);
  expect((await keys.claim("u1", "lost", "mac")).state).toBe("done");
});

test("another body does not take a key over", async () => {
  const { lease } = await claim("body", "one");
  await keys.release("u1", "body", lease);
  expect(await keys.claim("u1", "body", "two")).toEqual({ state: "running", mac: "one" });
});

test("after a day a key is as if it were new", async () => {
  const first = await claim("day");
  await keys.close("u1", "day", first.lease, { status: 200 });
  await stored.updateOne({ _id: "day" }, { $set: { createdAt: Date.now() - DAY - 1 } });
  const later = await claim("day");
  expect(later.repeated).toBe(false);
  expect(later.id).not.toBe(first.id);
  await keys.sweep(Date.now() + DAY - 60_000);
  expect(await stored.count({ _id: "day" })).toBe(1);
  await keys.sweep(Date.now() + DAY + 60_000);
  expect(await stored.count({ _id: "day" })).toBe(0);
});

test("an erased person's keys go", async () => {
  await claim("mine");
  await keys.claim("u2", "theirs", "mac");
  await keys.forget("u1");
  expect(await stored.count({ _id: "mine" })).toBe(0);
  expect(await stored.count({ _id: "theirs" })).toBe(1);
});
