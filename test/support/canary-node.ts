/** A node of clubs whose reads do, in five of a hundred calls, what FAULT names: they fail, or they are slow. */
import { setTimeout as sleep } from "node:timers/promises";
import { readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { createNode } from "../../moleculer.config.ts";

const fault = process.env["FAULT"];

const broker = await createNode(readSettings(process.env), ["clubs"]);
await broker.start();
const { db } = broker.getLocalService("clubs") as unknown as DatabaseMethods;
const all = db.primary.all.bind(db.primary);
let calls = 0;
Object.assign(db.primary, {
  async all(...args: Parameters<typeof all>) {
    if (++calls % 20 === 0) {
      if (fault === "fails") throw new TypeError("a fault of the new version");
      if (fault === "slow") await sleep(600);
    }
    return all(...args);
  },
});
process.stdout.write(`  Health     http://127.0.0.1:${runtimeOf(broker).ports.get("health")}/health/ready\n`);
