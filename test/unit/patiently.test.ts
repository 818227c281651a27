/** What a service does at its start while the store that it needs comes and goes. */
import { ServiceBroker } from "moleculer";
import { AppError } from "../../lib/errors.ts";
import { readSettings } from "../../lib/settings.ts";
import { patiently } from "../../mixins/patiently.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import { eventually } from "../support/eventually.ts";

/** A node with a service that does `work` when it starts. */
function nodeThat(work: () => Promise<unknown>): ServiceBroker {
  const settings = readSettings({ HEALTH_PORT: "0", LOG_LEVEL: "fatal", LOG_FORMAT: "json" });
  const broker = new ServiceBroker(brokerOptions(newRuntime(settings, [])));
  broker.createService({
    name: "needy",
    async started() {
      await patiently(this, work);
    },
  });
  return broker;
}

/** Fails with these, one a time, and then does not. */
function failing(...errors: Error[]): () => Promise<string> {
  return async () => {
    const error = errors.shift();
    if (error) throw error;
    return "done";
  };
}

const refusedByMysql = (): Error =>
  Object.assign(new Error("connect ECONNREFUSED"), { name: "SequelizeConnectionRefusedError" });

test("a store that is away is asked again; the node is not ready meanwhile", async () => {
  const broker = nodeThat(failing(new AppError("UNAVAILABLE"), refusedByMysql()));
  const { readiness } = runtimeOf(broker);
  const started = broker.start();
  await eventually(async () => readiness.reasons["needy-start"]);
  expect(readiness.ready).toBe(false);
  await started;
  expect(readiness.reasons).toEqual({});
  await broker.stop();
});

test.each([new Error("a fault of ours"), new AppError("INTERNAL"), new AppError("OVERLOADED")])(
  "another error ends the start: $message",
  async (error) => {
    const broker = nodeThat(failing(error));
    await expect(broker.start()).rejects.toBe(error);
    await broker.stop();
  },
);

test("a node that is told to stop waits no longer", async () => {
  const away = new AppError("UNAVAILABLE");
  const broker = nodeThat(() => Promise.reject(away));
  const started = expect(broker.start()).rejects.toBe(away);
  await eventually(async () => runtimeOf(broker).readiness.reasons["needy-start"]);
  await broker.stop();
  await started;
});
