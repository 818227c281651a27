/** Notifications by key and in lists, on MongoDB's protocol: by the collections of lib/documents.ts and by the driver alone. */
import { MongoClient } from "mongodb";
import { openMongo } from "../../lib/documents/mongo.ts";
import { newId } from "../../lib/ids.ts";
import { startMongodb } from "../../test/support/servers/mongodb.ts";
import { PAGE } from "./sql.ts";
import type { Store } from "./ways.ts";

const NOTES = 500;

interface Note {
  _id: string;
  user: string;
  createdAt: number;
  readAt: number | null;
  values: Record<string, string>;
}

/** What an imitation of the server costs does not count: it is a process of its own. */
export async function mongodbStore(): Promise<Store> {
  const server = await startMongodb();
  const url = `${server.url}/bench`;
  const store = openMongo(url);
  const ours = await store.collection<Note>("notes");
  const client = new MongoClient(url);
  const driver = client.db().collection<Note>("notes");
  await driver.createIndex({ user: 1, createdAt: 1 });
  const ids = Array.from({ length: NOTES }, () => newId());
  await ours.insertMany(
    ids.map((_id, n) => ({
      _id,
      user: `user-${n % 5}`,
      createdAt: n,
      readAt: null,
      values: { clubId: newId(), personId: newId() },
    })),
  );
  const at = (n: number): string => ids[n % NOTES] as string;
  const user = (n: number): { user: string } => ({ user: `user-${n % 5}` });
  return {
    title: "MongoDB's protocol",
    byKey: [
      { name: "the driver alone", read: (n) => driver.findOne({ _id: at(n) }) },
      { name: "documents, findOne", read: (n) => ours.findOne({ _id: at(n) }) },
    ],
    lists: [
      {
        name: "the driver alone",
        read: (n) => driver.find(user(n)).sort({ createdAt: -1 }).limit(PAGE).toArray(),
      },
      { name: "documents, find", read: (n) => ours.find(user(n), { sort: { createdAt: -1 }, limit: PAGE }) },
    ],
    async stop() {
      await Promise.all([client.close(), store.close()]);
      await server.stop();
    },
  };
}
