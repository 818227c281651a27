/** A node is killed while it tells 5,000 people of an announcement: the next one tells the others, and nobody twice. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import { newId } from "../../lib/ids.ts";
import type { NotificationDocument } from "../../services/notifications/inbox.ts";
import { announcingNode } from "../support/announcing-node.ts";
import type { AnnouncingNode } from "../support/announcing-node.ts";
import { eventually } from "../support/eventually.ts";

const VICTIM = path.join(import.meta.dirname, "..", "support", "announcing-victim.ts");
const PEOPLE = 5_000;

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "announcing-killed-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** Starts a node and kills it when so many are told, or a moment after it has begun. */
async function killedAt(announcement: string, told: number): Promise<void> {
  const env = { ...process.env, DATA_DIR: dataDir, ANNOUNCEMENT: announcement };
  const child = spawn(process.execPath, [VICTIM], { env, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once("exit", (_code, signal) => resolve(signal)),
  );
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [, count] = /^told (\d+)$/.exec(line) ?? [];
    if (Number(count) >= told) child.kill("SIGKILL");
  });
  expect(await ended).toBe("SIGKILL");
}

const documentsOf = ({ near }: AnnouncingNode): DocumentStore =>
  (near.broker.getLocalService("notifications") as unknown as { documents: DocumentStore }).documents;
const noticesOf = (node: AnnouncingNode): Promise<Collection<NotificationDocument>> =>
  documentsOf(node).collection("notifications", { indexes: [] });
/** Spares the test the wait for the leases of who died. */
async function endLeases(node: AnnouncingNode): Promise<void> {
  for (const name of ["bulletins", "bulletinParts"]) {
    const held = await documentsOf(node).collection<{ _id: string; dueAt: number }>(name, { indexes: [] });
    await held.updateMany({ dueAt: { $gt: Date.now() } }, { $set: { dueAt: Date.now() } });
  }
}

test("killed twice on the way, everybody is told once", async () => {
  const id = newId();
  const people = Array.from({ length: PEOPLE }, () => newId()).toSorted();
  await writeFile(path.join(dataDir, "people.json"), JSON.stringify(people));
  await killedAt(id, 0);
  await killedAt(id, 1);
  const node = await announcingNode(dataDir, people);
  try {
    // Some were told before, and not all.
    const notices = await noticesOf(node);
    const before = await notices.count({});
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(PEOPLE);
    await endLeases(node);
    await eventually(async () => (await node.reach(id))?.told === PEOPLE || undefined, 60_000);
    const docs = await notices.find({}, { projection: ["user", "seq"] });
    expect(docs.map(({ user }) => user).toSorted()).toEqual(people);
    expect(docs.every(({ seq }) => seq === 1)).toBe(true);
    const { body } = await node.near.call<{ unreadCount: number; items: { title: string }[] }>(
      "GET",
      "/notifications",
      { person: people[7] as string },
    );
    expect(body).toMatchObject({ unreadCount: 1, items: [{ title: "T" }] });
    // The board needs no other domain: here there is none.
    const board = await node.near.call("GET", "/announcements");
    expect(board.body).toMatchObject({ items: [{ id, title: "T" }], banner: "", nextCursor: null });
  } finally {
    await node.near.stop({ keep: true });
  }
}, 120_000);
