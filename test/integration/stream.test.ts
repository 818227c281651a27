/** GET /notifications/stream. */
import { request } from "node:http";
import { newId } from "../../lib/ids.ts";
import type { Streaming } from "../../services/gateway/streams.ts";
import { EventStream } from "../support/event-stream.ts";
import type { StreamOptions } from "../support/event-stream.ts";
import { eventually, startFederation } from "../support/federation.ts";
import type { Federation, Person } from "../support/federation.ts";
import { setup } from "../support/place.ts";

const FEW = { domains: ["gateway", "users", "notifications"], alone: true };

let all: Federation;
let ann: Person;
const open = new Set<EventStream>();

beforeAll(async () => {
  // The domains that are asked for names are away, so there are other words in their place.
  all = await startFederation(FEW);
});
afterAll(() => all?.stop());
beforeEach(async () => {
  ann = await all.register();
});
afterEach(() => {
  for (const stream of open) stream.close();
  open.clear();
});

async function stream(options: Partial<StreamOptions> = {}, person = ann): Promise<EventStream> {
  const opened = await EventStream.open(all.url, { token: person.token, ...options });
  open.add(opened);
  return opened;
}

/** One message, as the relay brings it. */
async function tell(users: string[], reason: string | null = null, id = newId()): Promise<string> {
  const roster = newId();
  const data = {
    activityId: roster,
    clubId: newId(),
    occurrence: 0,
    startsAt: 0,
    reason,
    dissolved: false,
    users,
  };
  await all.broker.call(
    "notifications.onMessage",
    {
      id,
      type: "participations.calledOff",
      at: Date.now(),
      aggregate: { type: "roster", id: roster, version: 1 },
      actor: null,
      requestId: null,
      data,
    },
    { timeout: 8_000 },
  );
  return id;
}
const inbox = (person = ann) =>
  all.ok<{ items: { id: string }[] }>("GET", "/notifications?limit=100", { token: person.token });

test("what comes is streamed as the inbox has it, in its order", async () => {
  const opened = await stream();
  expect(opened.status).toBe(200);
  expect(opened.headers).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-request-id": expect.any(String),
  });
  for (const reason of ["Rain", "Snow", "Hail\n\nid: forged"]) await tell([ann.id], reason);
  await opened.until(3);
  expect(opened.retry).toBe(3_000);
  const { items } = await inbox();
  expect(opened.events.map(({ data }) => data)).toEqual(items.toReversed());
  expect(opened.ids).toEqual(items.map(({ id }) => id).toReversed());
});

test("a message that comes again is streamed once, and to nobody else", async () => {
  const [mine, theirs] = [await stream(), await stream({}, await all.register())];
  const id = await tell([ann.id]);
  await tell([ann.id], null, id);
  await tell([ann.id]);
  expect((await mine.until(2)).map((each) => each.id)[0]).toBe(`${id}:${ann.id}`);
  expect(new Set(mine.ids).size).toBe(2);
  expect(theirs.events).toEqual([]);
});

describe("a client that is back", () => {
  test("gets everything after its last event, and then what comes", async () => {
    const first = await stream();
    await tell([ann.id]);
    const [last] = await first.until(1);
    first.close();
    const missed = [await tell([ann.id]), await tell([ann.id])];
    const again = await stream({ lastEventId: last?.id });
    await again.until(2);
    missed.push(await tell([ann.id]));
    await again.until(3);
    expect(again.ids).toEqual(missed.map((id) => `${id}:${ann.id}`));
  });

  test("may name it in the query; the header counts more", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(`${await tell([ann.id])}:${ann.id}`);
    const byQuery = await stream({ query: `?lastEventId=${ids[0]}` });
    await byQuery.until(2);
    const byBoth = await stream({ query: `?lastEventId=${ids[0]}`, lastEventId: ids[1] });
    await byBoth.until(1);
    await tell([ann.id]);
    await byBoth.until(2);
    expect(byQuery.ids.slice(0, 2)).toEqual(ids.slice(1));
    expect(byBoth.ids.slice(0, 1)).toEqual(ids.slice(2));
  });

  test.each([
    ["unknown", () => "nothing"],
    ["of somebody else", async () => `${await tell([(await all.register()).id])}:x`],
  ])("with an event that is %s begins now", async (_what, make) => {
    await tell([ann.id]);
    const opened = await stream({ lastEventId: await make() });
    const id = await tell([ann.id]);
    await opened.until(1);
    expect(opened.ids).toEqual([`${id}:${ann.id}`]);
  });

  test("gets hundreds that it missed, each once and in order", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 180; i++) ids.push(await tell([ann.id]));
    const opened = await stream({ lastEventId: `${ids[0]}:${ann.id}` });
    await opened.until(179);
    expect(opened.ids).toEqual(ids.slice(1).map((id) => `${id}:${ann.id}`));
  }, 120_000);
});

test("it speaks the person's own language, whatever the request says", async () => {
  await all.ok("PATCH", "/users/me", { token: ann.token, body: { locale: "zh-CN" } });
  const opened = await stream({ headers: { "accept-language": "en" } });
  await tell([ann.id]);
  const [event] = await opened.until(1);
  expect(event?.data.title).toBe("某社团的某活动已取消");
});

test("many at once to many people: each gets their own, in order", async () => {
  const people = await Promise.all(Array.from({ length: 6 }, () => all.register()));
  const streams = await Promise.all(people.map((person) => stream({}, person)));
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => tell(people.filter((_each, n) => (i + n) % 3).map(({ id }) => id))),
  );
  for (const [n, person] of people.entries()) {
    const expected = Array.from({ length: 40 }, (_, i) => (i + n) % 3).filter(Boolean).length;
    await streams[n]?.until(expected);
    expect(new Set(streams[n]?.ids).size).toBe(expected);
    // From the beginning once more, in the order of the store.
    const [first] = streams[n]?.ids ?? [];
    const again = await stream({ lastEventId: first }, person);
    await again.until(expected - 1);
    expect([first, ...again.ids]).toEqual(streams[n]?.ids);
  }
});

describe("refusals", () => {
  test("without a token, with a wrong one, with what is not known", async () => {
    expect(await stream({ token: undefined })).toMatchObject({
      status: 401,
      problem: { code: "UNAUTHENTICATED" },
    });
    expect(await stream({ token: "x" })).toMatchObject({ status: 401, problem: { code: "INVALID_TOKEN" } });
    expect(await stream({ query: "?nonsense=1" })).toMatchObject({
      status: 422,
      problem: { code: "VALIDATION_FAILED", errors: [{ field: "nonsense", code: "UNKNOWN_FIELD" }] },
    });
    expect(await stream({ query: `?lastEventId=${"x".repeat(201)}` })).toMatchObject({ status: 422 });
  });

  test("the sixth of a person, until one of them is closed", async () => {
    const five = await Promise.all([1, 2, 3, 4, 5].map(() => stream()));
    expect(five.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const sixth = await stream();
    expect(sixth).toMatchObject({ status: 429, problem: { code: "TOO_MANY_STREAMS" } });
    expect(Number(sixth.headers["retry-after"])).toBeGreaterThan(0);
    expect((await stream({}, await all.register())).status).toBe(200);
    five[0]?.close();
    await eventually(async () => (await stream()).status === 200 || undefined);
  });

  test("HEAD has the head alone, and is no stream", async () => {
    const answers = await Promise.all(
      Array.from(
        { length: 7 },
        () =>
          new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
            const headers = { authorization: `Bearer ${ann.token}` };
            request(`${all.url}/notifications/stream`, { method: "HEAD", headers, agent: false }, (res) => {
              res.resume().on("end", () => resolve([res.statusCode, res.headers["content-type"]]));
            })
              .on("error", reject)
              .end();
          }),
      ),
    );
    expect(answers).toEqual(answers.map(() => [200, "text/event-stream"]));
  });
});

describe("it ends with its session", () => {
  test("at sign-out, and the others of the person go on", async () => {
    const opened = await stream();
    const { accessToken } = await all.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: ann.email, password: ann.password },
    });
    const other = await stream({ token: accessToken });
    await all.ok("POST", "/auth/logout", { token: ann.token });
    expect(await opened.end()).toBe("by the server");
    await tell([ann.id]);
    await other.until(1);
    expect(opened.events).toEqual([]);
    expect((await stream()).status).toBe(401);
  });

  test("when the person is suspended", async () => {
    const opened = await stream();
    const { token } = await all.admin();
    const body = { status: "suspended", reason: "A test" };
    await all.ok("PUT", `/users/${ann.id}/status`, { token, body });
    expect(await opened.end()).toBe("by the server");
  });
});

test("who never reads is cut off, and the others get everything", async () => {
  const readers = await Promise.all([1, 2, 3, 4].map(() => stream()));
  await stream({ reads: false });
  expect((await stream()).status).toBe(429);
  // More than the buffers of two sockets hold.
  const long = "x".repeat(50_000);
  for (let i = 0; i < 300; i++) await tell([ann.id], long);
  for (const reader of readers) await reader.until(300);
  await eventually(async () => (await stream()).status === 200 || undefined, 40_000);
}, 180_000);

/** What can be changed, or done without the bus, only where everything is in this process. */
(setup === "embedded" ? describe : describe.skip)("what a heartbeat does", () => {
  const settings = (): Streaming =>
    (all.broker.getLocalService("api") as unknown as { settings: { streaming: Streaming } }).settings
      .streaming;
  const usual = { pingMs: 15_000 };
  beforeEach(async () => {
    Object.assign(settings(), { pingMs: 300 });
  });
  afterEach(() => Object.assign(settings(), usual));

  test("a comment keeps the connection; what no broadcast told is found", async () => {
    const opened = await stream();
    await eventually(async () => opened.comments.length >= 2 || undefined, 40_000);
    expect(opened.comments[0]).toBe("ping");
    const { inbox: store } = all.broker.getLocalService("notifications") as unknown as {
      inbox: import("../../services/notifications/inbox.ts").Inbox;
    };
    await store.tell(
      { id: newId(), at: Date.now() },
      [
        {
          to: [ann.id],
          kind: "account",
          event: "club.deleted",
          subject: { type: "club", id: "c" },
          values: {},
        },
      ],
      async () => () => ({ inbox: true, stream: true, email: false }),
      async () => undefined,
    );
    await opened.until(1);
    expect(opened.titles).toEqual(["a club was dissolved"]);
  });

  test("an open stream is no request in flight", async () => {
    const { gateway } = all.broker.getLocalService("api") as unknown as {
      gateway: import("../../services/gateway/gateway.ts").Gateway;
    };
    await eventually(async () => gateway.overload.inFlight === 0 || undefined);
    const opened = await stream();
    expect(gateway.overload.inFlight).toBe(0);
    opened.close();
    await eventually(async () => gateway.streams?.size === 0 || undefined);
    expect(gateway.overload.inFlight).toBe(0);
  });
});

test("a gateway that stops sends its clients away at once, and does not wait for them", async () => {
  const other = await startFederation(FEW);
  const person = await other.register();
  const opened = await EventStream.open(other.url, { token: person.token });
  await opened.until(0);
  await other.stop();
  expect(await opened.end()).toBe("by the server");
  expect(opened.retry).toBe(1_000);
});
