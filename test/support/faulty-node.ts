/** A node of clubs that dies (kill -9) at the place of a saga that FAULT names, for the club that FAULT_CLUB names. */
import { readSettings } from "../../lib/settings.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { createNode } from "../../moleculer.config.ts";

const fault = process.env["FAULT"];
const die = (): void => void process.kill(process.pid, "SIGKILL");

const broker = await createNode(readSettings(process.env), ["clubs"]);
const call = broker.call.bind(broker);
Object.assign(broker, {
  async call(action: string, params?: { clubName?: string }, options?: object) {
    if (action !== "reviews.open" || params?.clubName !== process.env["FAULT_CLUB"])
      return call(action, params, options);
    if (fault === "before the review task") die();
    const answer = await call(action, params, options);
    if (fault === "after the review task") die();
    if (fault === "before the answer") setTimeout(die, 40);
    return answer;
  },
});
await broker.start();
process.stdout.write(`  Health     http://127.0.0.1:${runtimeOf(broker).ports.get("health")}/health/ready\n`);
