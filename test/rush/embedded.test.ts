/** 20,000 people for 500 places in one process: at the level of actions, and some thousand through HTTP. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DocumentStore } from "../../lib/documents.ts";
import { Client } from "../support/http.ts";
import { serves, startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import {
  askBroker,
  CAPACITY,
  faults,
  newWorld,
  positions,
  publish,
  rush,
  signer,
  tokenOf,
  upTo,
} from "../support/rush.ts";
import type { Ask, Said } from "../support/rush.ts";
import { standIns } from "../support/stand-ins.ts";

const world = newWorld();
let folder: string;
let place: Place;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "club-alliance-rush-"));
  await start();
}, 60_000);
afterAll(async () => {
  await place?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  place = await startPlace(["activities", "gateway"], { DATA_DIR: folder }, standIns(world, signer));
  await serves(place.broker);
}

const documents = (): DocumentStore =>
  (place.broker.getLocalService("activities") as unknown as { documents: DocumentStore }).documents;

test("20,000 people, 2,000 of them twice at once and 500 who leave again: exact, also after a restart", async () => {
  const activity = await publish(place.broker, world, CAPACITY, true);
  const told = await rush(askBroker(place.broker, activity), { people: 20_000, twice: 2_000, leaving: 500 });
  expect(told.promised.size + told.left.size).toBe(20_000);
  expect(told.left.size).toBe(500);
  expect(await faults(documents(), activity, CAPACITY, told)).toEqual([]);
  await place.stop();
  await start();
  expect(await faults(documents(), activity, CAPACITY, told)).toEqual([]);
  const ranks = await positions(documents(), activity, askBroker(place.broker, activity));
  expect(ranks).toEqual(upTo(20_000 - 500 - CAPACITY));
}, 240_000);

test("3,000 people through HTTP who come again when they are told to", async () => {
  const activity = await publish(place.broker, world, CAPACITY, true);
  const client = new Client(place.url);
  const others = new Set<number>();
  const ask: Ask = async (kind, user) => {
    const method = { join: "PUT", leave: "DELETE", look: "GET" }[kind];
    const { status, headers, body } = await client.send<Said | undefined>(
      method,
      `/activities/${activity}/participation`,
      { token: tokenOf(user) },
    );
    if (status < 300) return body ?? { status: "cancelled" };
    if (status !== 503) others.add(status);
    await sleep(Number(headers["retry-after"]) * 1_000);
    return null;
  };
  const told = await rush(ask, { people: 3_000, twice: 300, leaving: 100 });
  client.close();
  expect([...others]).toEqual([]);
  expect(await faults(documents(), activity, CAPACITY, told)).toEqual([]);
}, 240_000);
