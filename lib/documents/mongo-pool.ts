import type { MongoClient } from "mongodb";
import type { Pool } from "../pools.ts";

/** How busy a client's connections are: from what the driver tells, since it has no numbers to ask for. Of a replica set all members' are added up. */
export function countConnections(client: MongoClient, limit: number): () => Pool {
  let open = 0;
  let used = 0;
  let waiting = 0;
  client
    .on("connectionCreated", () => (open += 1))
    .on("connectionClosed", () => (open -= 1))
    .on("connectionCheckOutStarted", () => (waiting += 1))
    .on("connectionCheckOutFailed", () => (waiting -= 1))
    .on("connectionCheckedOut", () => {
      waiting -= 1;
      used += 1;
    })
    .on("connectionCheckedIn", () => (used -= 1));
  return () => ({ used, idle: Math.max(0, open - used), waiting, limit });
}
