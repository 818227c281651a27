/** What people want to be told of which way. */
import { newId } from "../../lib/ids.ts";
import { KINDS } from "../../services/notifications/notifications.contract.ts";
import { EventStream } from "../support/event-stream.ts";
import { startFederation } from "../support/federation.ts";
import type { Federation, Person } from "../support/federation.ts";

type Channels = { inbox: boolean; stream: boolean; email: boolean };
type Preferences = Record<(typeof KINDS)[number], Channels>;
interface Page {
  items: { id: string; kind: string }[];
  unreadCount: number;
}

let all: Federation;
let ann: Person;
beforeAll(async () => {
  all = await startFederation({ domains: ["gateway", "users", "notifications"], alone: true });
});
afterAll(() => all?.stop());
beforeEach(async () => {
  ann = await all.register();
});

const get = () => all.ok<Preferences>("GET", "/notifications/preferences", { token: ann.token });
const put = (body: object) =>
  all.call<Preferences & { errors?: { field: string; code: string }[] }>(
    "PUT",
    "/notifications/preferences",
    {
      token: ann.token,
      body,
    },
  );
const inbox = (query = "") => all.ok<Page>("GET", `/notifications${query}`, { token: ann.token });

/** Tells of a new role (kind `membership`), as the relay does; the notice's id. */
async function tell(person = ann): Promise<string> {
  const id = newId();
  const clubId = newId();
  await all.broker.call("notifications.onMessage", {
    id,
    type: "clubs.memberRoleChanged",
    at: Date.now(),
    aggregate: { type: "club", id: clubId, version: 2 },
    actor: null,
    requestId: null,
    data: { clubId, userId: person.id, role: "officer", by: newId() },
  });
  return `${id}:${person.id}`;
}
const off = { inbox: false, stream: false, email: false };

test("without a choice everything is in inbox and stream, and some kinds go out by mail", async () => {
  const mine = await get();
  expect(Object.keys(mine).toSorted()).toEqual([...KINDS].toSorted());
  const mailed = KINDS.filter((kind) => mine[kind].email);
  expect(mailed.toSorted()).toEqual(["account", "activity", "application", "moderation", "waitlist"]);
  expect(KINDS.every((kind) => mine[kind].inbox && mine[kind].stream)).toBe(true);
});

test("some kinds are chosen, the others stay, for this person alone", async () => {
  const before = await get();
  const chosen = { account: off, review: { inbox: true, stream: false, email: true } };
  const { status, body } = await put(chosen);
  expect([status, body]).toEqual([200, { ...before, ...chosen }]);
  expect(await get()).toEqual(body);
  const more = { review: { inbox: false, stream: true, email: false } };
  expect((await put(more)).body).toEqual({ ...before, ...chosen, ...more });
  expect((await put({})).body).toEqual({ ...before, ...chosen, ...more });
  const other = await all.register();
  expect(await all.ok("GET", "/notifications/preferences", { token: other.token })).toEqual(before);
});

test.each([
  ["a kind that is none", { news: off }, { field: "news", code: "UNKNOWN_FIELD" }],
  ["half a kind", { account: { inbox: true, stream: true } }, { field: "account.email", code: "REQUIRED" }],
  ["no boolean", { account: { ...off, email: "no" } }, { field: "account.email", code: "WRONG_TYPE" }],
  ["a way that is none", { account: { ...off, sms: true } }, { field: "account.sms", code: "UNKNOWN_FIELD" }],
])("%s is refused and changes nothing", async (_what, body, error) => {
  const before = await get();
  const answer = await put(body);
  expect(answer.status).toBe(422);
  expect(answer.body.errors).toContainEqual(expect.objectContaining(error));
  expect(await get()).toEqual(before);
});

test("what is not wanted in the inbox is neither listed nor counted, but streamed, also later", async () => {
  const stream = await EventStream.open(all.url, { token: ann.token });
  const first = await tell();
  await put({ membership: { inbox: false, stream: true, email: false } });
  const second = await tell();
  await stream.until(2);
  stream.close();
  expect(stream.ids).toEqual([first, second]);
  expect(await inbox()).toMatchObject({ items: [{ id: first }], unreadCount: 1 });
  expect(await inbox("?unread=true")).toMatchObject({ items: [{ id: first }] });
  const again = await EventStream.open(all.url, { token: ann.token, lastEventId: first });
  await again.until(1);
  again.close();
  expect(again.ids).toEqual([second]);
  // They go for what comes afterwards.
  await put({ membership: { inbox: true, stream: true, email: false } });
  expect((await inbox()).items).toHaveLength(1);
  // What is kept of somebody is in their export, listed or not.
  const kept = await all.broker.call<{ records: object[] }, object>("notifications.exportUser", {
    user: ann.id,
    cursor: null,
  });
  expect(kept.records).toHaveLength(3);
  expect(kept.records[0]).toMatchObject({ preferences: { membership: { email: false } } });
});

test("what is not wanted in the stream is in the inbox alone, and does not stop what comes after it", async () => {
  const stream = await EventStream.open(all.url, { token: ann.token });
  await put({ membership: { inbox: true, stream: false, email: false } });
  const silent = await tell();
  await put({ membership: { inbox: true, stream: true, email: false } });
  const heard = await tell();
  await stream.until(1);
  stream.close();
  expect(stream.ids).toEqual([heard]);
  expect((await inbox()).items.map(({ id }) => id)).toEqual([heard, silent]);
  const again = await EventStream.open(all.url, { token: ann.token, lastEventId: silent });
  await again.until(1);
  again.close();
  expect(again.ids).toEqual([heard]);
});

test("what is wanted no way at all is not kept", async () => {
  await put({ membership: off });
  await tell();
  const kept = await all.broker.call<{ records: object[] }, object>("notifications.exportUser", {
    user: ann.id,
    cursor: null,
  });
  expect(kept.records).toEqual([{ preferences: { membership: off } }]);
});

test("the choices of somebody who is erased are deleted", async () => {
  await put({ membership: off });
  const { id: user } = ann;
  const erased = {
    id: newId(),
    type: "users.erased",
    at: Date.now(),
    actor: null,
    requestId: null,
    data: {},
  };
  await all.broker.call("notifications.onUserErased", {
    ...erased,
    aggregate: { type: "user", id: user, version: 2 },
  });
  const kept = await all.broker.call<{ records: object[] }, object>("notifications.exportUser", {
    user,
    cursor: null,
  });
  expect(kept.records).toEqual([]);
});
