/**
 * One hot activity at the store alone: our batches against the usual way, a conditional update and an insert for each
 * request. Both keep the same: a counter that is not oversold, a document for each person, their order.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { openDocuments } from "../../lib/documents.ts";
import type { DocumentStore } from "../../lib/documents.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { newId } from "../../lib/ids.ts";
import { Desk } from "../../services/activities/desk.ts";
import { INDEXES, openStore, participationId } from "../../services/activities/records.ts";
import type { ParticipationDocument, RosterDocument, Terms } from "../../services/activities/records.ts";
import { RosterBook } from "../../services/activities/roster-book.ts";
import { startMongodb } from "../../test/support/servers/mongodb.ts";
import { spread } from "../support/rounds.ts";
import type { Spread } from "../support/rounds.ts";

const CAPACITY = 500;
const ROUNDS = 5;
/** Requests under way at once. */
const AT_ONCE = 500;

export interface Contest {
  store: string;
  people: number;
  ours: Spread;
  usual: Spread;
  /** Ours by theirs, round by round. */
  ratio: Spread;
}

/** Decisions a second, in interleaved rounds. */
export async function contests(tell: (line: string) => void): Promise<Contest[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-bench-"));
  const embedded = await openDocuments(path.join(folder, "activities.sqlite"));
  const server = await startMongodb();
  const url = `${server.url}/bench`;
  const mongo = openMongo(url);
  try {
    await indexed(url);
    return [
      await contest("embedded", embedded, 4_000, tell),
      await contest("MongoDB's protocol (an imitation)", mongo, 1_000, tell),
    ];
  } finally {
    await Promise.all([embedded.close(), mongo.close()]);
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function contest(
  name: string,
  documents: DocumentStore,
  people: number,
  tell: (line: string) => void,
): Promise<Contest> {
  const ours: number[] = [];
  const usual: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    tell(`${name}: round ${round} of ${ROUNDS}`);
    const mine = await pace(people, await deskOf(documents));
    const theirs = await pace(people, await usualOf(documents));
    // The first warms up.
    if (round === 0) continue;
    ours.push(mine);
    usual.push(theirs);
  }
  return {
    store: name,
    people,
    ours: spread(ours),
    usual: spread(usual),
    ratio: spread(ours.map((each, i) => each / (usual[i] as number))),
  };
}

/** Decisions a second of so many different people. */
async function pace(people: number, ask: (user: string) => Promise<unknown>): Promise<number> {
  const users = Array.from({ length: people }, () => newId());
  const start = performance.now();
  const lane = async (): Promise<void> => {
    for (let user = users.pop(); user !== undefined; user = users.pop()) await ask(user);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return (people * 1_000) / (performance.now() - start);
}

async function deskOf(documents: DocumentStore): Promise<(user: string) => Promise<unknown>> {
  const store = await openStore(documents);
  const now = Date.now();
  const terms: Terms = {
    revision: 1,
    startsAt: now + 3_600_000,
    endsAt: now + 7_200_000,
    location: "",
    capacity: CAPACITY,
    waitlist: true,
    opensAt: 0,
    closesAt: now + 3_600_000,
    membersOnly: false,
    cancelled: false,
    reason: null,
    dissolved: false,
  };
  const book = new RosterBook(store, { tell: async () => undefined });
  const desk = new Desk(`${newId()}:${now}`, {
    book,
    gate: async () => ({ revision: 1, terms, clubId: newId(), clubActive: true, members: null }),
    now: () => Date.now(),
    warn: () => undefined,
  });
  return async (user) => {
    // Whoever is told to come again does.
    for (;;) {
      const standing = await desk.ask({ kind: "join", user }).catch(() => null);
      if (standing) return standing;
      await sleep(10);
    }
  };
}

async function usualOf(documents: DocumentStore): Promise<(user: string) => Promise<unknown>> {
  const { rosters, participations } = await openStore(documents);
  const id = `${newId()}:1`;
  const roster = { _id: id, confirmed: 0, waitlisted: 0, nextSeq: 1 };
  // Of the roster only the counters are used.
  await rosters.insertOne(roster as RosterDocument);
  return async (user) => {
    const { modified } = await rosters.updateOne(
      { _id: id, confirmed: { $lt: CAPACITY } },
      { $inc: { confirmed: 1, nextSeq: 1 } },
    );
    if (modified === 0) await rosters.updateOne({ _id: id }, { $inc: { waitlisted: 1, nextSeq: 1 } });
    const status = modified === 1 ? ("confirmed" as const) : ("waitlisted" as const);
    const participation: ParticipationDocument = {
      _id: participationId(id, user),
      roster: id,
      activityId: id,
      occurrence: 1,
      user,
      status,
      seq: Date.now(),
      op: 1,
      at: Date.now(),
      checkedInAt: null,
      by: null,
    };
    await participations.insertOne(participation);
  };
}

/** As the migrations do. */
async function indexed(url: string): Promise<void> {
  const client = new MongoClient(url);
  for (const fields of INDEXES.participations)
    await client
      .db()
      .collection("participations")
      .createIndex(Object.fromEntries(fields.map((field) => [field, 1 as const])));
  await client.close();
}
