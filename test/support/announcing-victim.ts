/** A node that tells many people of an announcement, and goes on until it is killed; it prints how many are told. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { announcingNode } from "./announcing-node.ts";

const dataDir = process.env["DATA_DIR"] as string;
const people = JSON.parse(readFileSync(path.join(dataDir, "people.json"), "utf8")) as string[];
const node = await announcingNode(dataDir, people);
await node.announce(process.env["ANNOUNCEMENT"] as string);
setInterval(() => {
  void node.reach(process.env["ANNOUNCEMENT"] as string).then((reach) => {
    process.stdout.write(`told ${reach?.told ?? 0}\n`);
  });
}, 5);
