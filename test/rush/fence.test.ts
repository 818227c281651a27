/** Two owners at once: with the fence they sell no place twice, and the same check sees it where the fence is taken out. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDocuments } from "../../lib/documents.ts";
import type { DocumentStore } from "../../lib/documents.ts";
import { isAppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { Desk } from "../../services/activities/desk.ts";
import { openStore, rosterId } from "../../services/activities/records.ts";
import type { Store } from "../../services/activities/records.ts";
import { RosterBook } from "../../services/activities/roster-book.ts";
import { newTerms, unfenced } from "../support/roster.ts";
import { CAPACITY, faults, rush } from "../support/rush.ts";
import type { Ask } from "../support/rush.ts";

const OCCURRENCE = 1;
let folder: string;
let documents: DocumentStore;
let store: Store;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "club-alliance-fence-"));
  documents = await openDocuments(path.join(folder, "activities.sqlite"));
  store = await openStore(documents);
});
afterAll(async () => {
  await documents.close();
  await rm(folder, { recursive: true, force: true });
});

function owner(activity: string, Book: typeof RosterBook): Desk {
  const terms = newTerms({ capacity: CAPACITY, waitlist: true });
  const outbox = { tell: async () => undefined };
  return new Desk(rosterId(activity, OCCURRENCE), {
    book: new Book(store, outbox),
    gate: async () => ({ revision: 1, terms, clubId: newId(), clubActive: true, members: null }),
    now: () => Date.now(),
    warn: () => undefined,
  });
}

/** What is wrong after a rush that two owners share. */
async function shared(Book: typeof RosterBook): Promise<string[]> {
  const activity = newId();
  const owners = [owner(activity, Book), owner(activity, Book)] as const;
  let turn = 0;
  const ask: Ask = async (kind, user) => {
    try {
      return await owners[turn++ % 2 === 0 ? 0 : 1].ask({ kind, user });
    } catch (error) {
      if (isAppError(error) && error.type === "OVERLOADED") return null;
      throw error;
    }
  };
  const told = await rush(ask, { people: 4_000, twice: 400, leaving: 0 });
  await owners[0].settle();
  await Promise.all(owners.map((each) => each.stop()));
  return faults(documents, activity, CAPACITY, told);
}

test("with the fence nothing is sold twice and every promise is kept", async () => {
  expect(await shared(RosterBook)).toEqual([]);
}, 120_000);

test("without it places are sold twice", async () => {
  expect(await shared(unfenced(store))).toEqual(
    expect.arrayContaining([expect.stringMatching(/^oversold: \d+ of 500 places$/)]),
  );
}, 120_000);
