/** The way of a message from the outbox of a domain of documents to its consumers. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ServiceBroker } from "moleculer";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import type { Answer, Envelope } from "../../lib/declare.ts";
import type { Collection } from "../../lib/documents.ts";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { implement } from "../../lib/implement.ts";
import { QUEUE_INDEXES } from "../../lib/queue-documents.ts";
import type { OutboxDocument } from "../../lib/queue-documents.ts";
import { readSettings } from "../../lib/settings.ts";
import type { DocumentsMethods } from "../../mixins/documents.ts";
import { documentQueueService } from "../../mixins/queue.ts";
import { Relay } from "../../mixins/relay.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import { activitiesQueue } from "../../services/queues.contract.ts";
import { engine } from "../support/document-engine.ts";
import { eventually } from "../support/eventually.ts";

const TYPE = "activities.published";
const taking = { params: AnyEnvelope, access: "service", consumes: [TYPE] } as const;
const guests = declare("guests", { onPublished: taking });
const press = declare("press", { onPublished: taking });

let folder: string;
let broker: ServiceBroker;
let service: DocumentsMethods;
let rows: Collection<OutboxDocument>;
/** Ids of messages, by who got them. */
const got = { guests: [] as string[], press: [] as string[] };
let pressTakes: (message: Envelope) => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "document-outbox-"));
  got.guests.length = 0;
  got.press.length = 0;
  pressTakes = async () => undefined;
  await start();
});
afterEach(async () => {
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The same folder is the same data. */
async function start(): Promise<void> {
  const url = engine.current.url && `${engine.current.url}/o${digest(folder)}`;
  if (url) await migrate(url);
  const env = { DATA_DIR: folder, HEALTH_PORT: "0", LOG_LEVEL: "fatal" };
  const runtime = newRuntime(readSettings({ ...env, ...(url && { ACTIVITIES_DB_URL: url }) }), []);
  runtime.contracts = new Map(
    [activitiesQueue, guests, press].flatMap(({ name, actions }) =>
      Object.entries(actions).map(([key, action]) => [`${name}.${key}`, action] as const),
    ),
  );
  broker = new ServiceBroker(brokerOptions(runtime));
  broker.createService(
    implement(guests, {
      actions: {
        async onPublished({ params }) {
          got.guests.push(params.id);
        },
      },
    }),
  );
  broker.createService(
    implement(press, {
      actions: {
        async onPublished({ params }) {
          await pressTakes(params);
          got.press.push(params.id);
        },
      },
    }),
  );
  const queue = broker.createService(documentQueueService("activities", activitiesQueue));
  await broker.start();
  service = queue as unknown as DocumentsMethods;
  rows = await service.documents.collection<OutboxDocument>("outbox", { indexes: QUEUE_INDEXES.outbox });
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 20);

async function migrate(url: string): Promise<void> {
  const store = openMongo(url);
  await new DocumentMigrations(store.db, "activities").up();
  await store.close();
}

function envelope(): Envelope {
  const aggregate = { type: "activity", id: newId(), version: 1 };
  return { id: newId(), type: TYPE, at: Date.now(), aggregate, actor: null, requestId: null, data: { n: 1 } };
}

async function tell(count = 1): Promise<string[]> {
  const messages = Array.from({ length: count }, envelope);
  await service.outbox.tell(messages);
  service.relay.nudge();
  return messages.map(({ id }) => id);
}

/** Spares the test the waits between tries. */
async function tryAgain(): Promise<void> {
  await rows.updateMany({ waiting: { $gte: 0 } }, { $set: { waiting: 0 } });
  service.relay.nudge();
}

type Call = "depth" | "dead" | "inspect" | "replay";
const call = <A extends Call>(action: A, params: object = {}): Promise<Answer<`clubsQueue.${A}`>> =>
  broker.call(`activitiesQueue.${action}`, params);

async function allPublished(): Promise<void> {
  await eventually(async () => (await call("depth")).waiting === 0 || undefined, 20_000);
}

const sorted = (ids: string[]): string[] => ids.toSorted();

test("each consumer gets each message once, also when it is told twice", async () => {
  const messages = Array.from({ length: 130 }, envelope);
  await service.outbox.tell(messages);
  expect((await call("depth")).waiting).toBe(130);
  service.relay.nudge();
  await service.outbox.tell(messages);
  await allPublished();
  await service.outbox.tell(messages);
  const [later] = await tell();
  await allPublished();
  const ids = sorted([...messages.map(({ id }) => id), String(later)]);
  expect(sorted(got.guests)).toEqual(ids);
  expect(sorted(got.press)).toEqual(ids);
});

test("two relays on one store call each consumer once for each message", async () => {
  const other = new Relay(broker, "activities", service.outbox, broker.logger);
  other.start();
  const ids: string[] = [];
  for (let round = 0; round < 6; round++) {
    ids.push(...(await tell(60)));
    other.nudge();
  }
  await allPublished();
  await other.stop();
  expect(sorted(got.guests)).toEqual(sorted(ids));
  expect(sorted(got.press)).toEqual(sorted(ids));
});

test("what a consumer refuses is tried again, becomes a dead letter, and comes again when it is replayed", async () => {
  pressTakes = async () => {
    throw new AppError("NOT_FOUND");
  };
  const [id] = (await tell()) as [string];
  await eventually(async () => {
    await tryAgain();
    return (await call("depth")).dead === 1 || undefined;
  }, 20_000);
  expect(await rows.findOne({ _id: id })).toMatchObject({ attempts: 12, publishedAt: expect.any(Number) });
  const letter = `${id}:press.onPublished`;
  expect(await call("dead", { limit: 10 })).toMatchObject([{ id: letter, type: TYPE, attempts: 12 }]);
  expect((await call("inspect", { id: letter })).envelope).toMatchObject({ id, data: { n: 1 } });
  await expect(call("inspect", { id: "nothing" })).rejects.toMatchObject({ type: "NOT_FOUND" });
  expect(await call("replay", { id: "nothing" })).toEqual({ replayed: 0 });
  pressTakes = async () => undefined;
  expect(await call("replay", { id: letter })).toEqual({ replayed: 1 });
  await allPublished();
  expect(got).toEqual({ guests: [id], press: [id] });
  expect(await call("depth")).toEqual({ waiting: 0, oldest: null, dead: 0 });
});

test("a dead letter whose message is gone by now is replayed all the same, for its consumer alone", async () => {
  pressTakes = async () => {
    throw new AppError("NOT_FOUND");
  };
  const [id] = (await tell()) as [string];
  await eventually(async () => {
    await tryAgain();
    return (await call("depth")).dead === 1 || undefined;
  }, 20_000);
  await rows.deleteMany({ _id: id });
  pressTakes = async () => undefined;
  expect(await call("replay")).toEqual({ replayed: 1 });
  await allPublished();
  expect(got).toEqual({ guests: [id], press: [id] });
});

test("a message replayed while its relay is still calling others comes again", async () => {
  let refuse = (): void => undefined;
  const calledTwice = new Promise<void>((resolve) => {
    let calls = 0;
    pressTakes = () => {
      if (++calls === 2) resolve();
      return calls > 2
        ? Promise.resolve()
        : new Promise((_, reject) => (refuse = () => reject(new AppError("NOT_FOUND"))));
    };
  });
  const [id] = (await tell()) as [string];
  await eventually(async () => got.guests.length === 1 || undefined);
  refuse();
  await eventually(async () => (await rows.findOne({ _id: id, attempts: 1 })) ?? undefined);
  await tryAgain();
  await calledTwice;
  await service.outbox.putBack({ ...envelope(), id }, () => ({ done: [], attempts: 0, dueAt: Date.now() }));
  refuse();
  await allPublished();
  expect(got).toEqual({ guests: [id, id], press: [id] });
});

test("a store that is closed while messages are with their consumers, and opened again, has lost none", async () => {
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const some = (await tell(20)).slice(0, 10);
  await allPublished();
  pressTakes = () => gate;
  const ids = [...some, ...(await tell(130))];
  await eventually(async () => got.guests.length > 40 || undefined);
  await service.documents.close();
  open();
  await broker.stop();
  pressTakes = async () => undefined;
  await start();
  expect((await call("depth")).waiting).toBe(130);
  await tryAgain();
  await allPublished();
  for (const each of [got.guests, got.press]) expect(new Set(each)).toEqual(new Set([...got.guests, ...ids]));
  expect(got.press.filter((each) => some.includes(each))).toHaveLength(some.length);
});
