/** The way of a message from the outbox to its consumers, and what operators do with those that failed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker } from "moleculer";
import type { Database } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { AppError } from "../../lib/errors.ts";
import { readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { createNode } from "../../moleculer.config.ts";
import { COMMANDS, runCommand } from "../../scripts/repl-commands.ts";
import { eventually } from "../support/federation.ts";

let broker: ServiceBroker;
let db: Database;
let nudge: () => void;
const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-messages-"));
/** Ids of messages, by who got them. */
const got = { reviews: [] as string[], search: [] as string[] };
let refusing = false;

interface Message {
  params: { id: string };
}

beforeAll(async () => {
  const env = { DATA_DIR: folder, PORT: "0", HEALTH_PORT: "0", LOG_LEVEL: "fatal", LOG_FORMAT: "pretty" };
  broker = await createNode(readSettings(env), ["clubs"]);
  broker.createService({
    name: "reviews",
    actions: { onClubChanged: ({ params }: Message) => void got.reviews.push(params.id) },
  });
  broker.createService({ name: "statistics", actions: { onMessage: () => undefined } });
  await broker.start();
  const service = broker.getLocalService("clubsQueue") as unknown as DatabaseMethods;
  ({ db } = service);
  nudge = () => service.relay.nudge();
});

afterAll(async () => {
  await broker.stop();
  rmSync(folder, { recursive: true, force: true });
});

function beginSearch(): void {
  broker.createService({
    name: "search",
    actions: {
      onClubChanged({ params }: Message) {
        if (refusing) throw new AppError("NOT_FOUND");
        got.search.push(params.id);
      },
    },
  });
}

async function tell(fails = false): Promise<string> {
  const id = newId();
  let message = "";
  await db
    .transaction(async (tx) => {
      const aggregate = { type: "club", id, version: 1 };
      message = await tx.tell({
        type: "clubs.updated",
        aggregate,
        data: { name: "Chess", status: "active" },
      });
      if (fails) throw new Error("It was not to be.");
    })
    .catch(() => undefined);
  nudge();
  return message;
}

/** Spares the test the waits between tries. */
async function tryAgain(): Promise<void> {
  await db.primary.run("UPDATE outbox SET due_at = 0 WHERE published_at IS NULL");
  nudge();
}

const rowOf = async (id: string) =>
  db.primary.one<{ attempts: number; published_at: number | null; done: string }>(
    "SELECT attempts, published_at, done FROM outbox WHERE id = :id",
    { id },
  );

async function command(name: string, args: Record<string, string>): Promise<string> {
  const found = COMMANDS.find(({ command: text }) => text.split(" ")[0] === name);
  let printed = "";
  await runCommand(broker, found as (typeof COMMANDS)[number], args, (text) => (printed = text));
  return printed;
}

test("a consumer that is away is waited for without end, and who was served is not served again", async () => {
  const id = await tell();
  await eventually(async () => got.reviews.includes(id) || undefined);
  for (let i = 0; i < 20; i++) {
    await tryAgain();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await rowOf(id)).toMatchObject({ attempts: 0, published_at: null });
  expect(await command("queues", {})).toMatch(/users +away/); // users and applications are not here
  beginSearch();
  await broker.waitForServices("search");
  await tryAgain();
  await eventually(async () => (await rowOf(id))?.published_at ?? undefined);
  expect(got.search.filter((each) => each === id)).toHaveLength(1);
  expect(got.reviews.filter((each) => each === id)).toHaveLength(1);
});

test("a message of a change that was undone is told to nobody", async () => {
  const id = await tell(true);
  const later = await tell();
  await eventually(async () => got.search.includes(later) || undefined);
  expect(got.search).not.toContain(id);
});

test("what a dead node had claimed is delivered after its lease", async () => {
  const id = await tell();
  await eventually(async () => (await rowOf(id))?.published_at ?? undefined);
  got.search.length = 0;
  const claimed = { id, lease: newId(), due: Date.now() + 600_000 };
  await db.primary.run(
    "UPDATE outbox SET published_at = NULL, done = '[]', lease = :lease, due_at = :due WHERE id = :id",
    claimed,
  );
  nudge();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(got.search).toEqual([]);
  await tryAgain();
  await eventually(async () => got.search.includes(id) || undefined);
});

test("what keeps failing becomes a dead letter that an operator lists, inspects and replays", async () => {
  refusing = true;
  const id = await tell();
  await eventually(async () => {
    await tryAgain();
    return (await broker.call<{ dead: number }>("clubsQueue.depth")).dead === 1 || undefined;
  }, 20_000);
  expect((await rowOf(id))?.attempts).toBe(12);
  const letter = `${id}:search.onClubChanged`;
  expect(await command("dead", { domain: "clubs" })).toContain(letter);
  expect(await command("inspect", { domain: "clubs", id: letter })).toContain('"name": "Chess"');
  expect(await command("inspect", { domain: "clubs", id: "nothing" })).toMatch(/inspect failed: .*NOT_FOUND/);
  expect(await command("dead", { domain: "kitchen" })).toMatch(/Name one of the domains/);
  refusing = false;
  const served = got.reviews.filter((each) => each === id).length;
  expect(await command("replay", { domain: "clubs", id: letter })).toBe("1 back in the queue.");
  await eventually(async () => got.search.includes(id) || undefined);
  expect(got.reviews.filter((each) => each === id)).toHaveLength(served);
  expect(await command("dead", { domain: "clubs" })).toBe("No dead letters.");
  expect(await command("sagas", {})).toBe("No open sagas.");
});

test("a dead letter whose message is gone by now is replayed all the same, for its consumer alone", async () => {
  refusing = true;
  const id = await tell();
  await eventually(async () => {
    await tryAgain();
    return (await broker.call<{ dead: number }>("clubsQueue.depth")).dead === 1 || undefined;
  }, 20_000);
  await db.primary.run("DELETE FROM outbox WHERE id = :id", { id });
  refusing = false;
  const served = got.reviews.length;
  expect(await command("replay", { domain: "clubs" })).toBe("1 back in the queue.");
  await eventually(async () => got.search.includes(id) || undefined);
  expect(got.reviews).toHaveLength(served);
});
