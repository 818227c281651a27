/**
 * Loaded before a node (`--import`), it makes something go wrong that no setting can: UNLUCKY is "start" for a start that
 * waits and fails once the node is told to stop, or names what fails in the running node.
 */
import { ServiceBroker } from "moleculer";

const fault = (): Error =>
  Object.assign(new Error("Duplicate entry 'Bob Li' for key 'x'"), { sql: "INSERT Bob Li" });

const faults: Record<string, () => void> = {
  exception: () => {
    throw fault();
  },
  rejection: () => void Promise.reject(fault()),
};

const start = Reflect.get<ServiceBroker, "start">(ServiceBroker.prototype, "start");
ServiceBroker.prototype.start = async function (this: ServiceBroker) {
  await start.call(this);
  const later = faults[process.env["UNLUCKY"] ?? ""];
  if (later) {
    setTimeout(later, 500);
    return;
  }
  process.stdout.write("It still starts\n");
  await new Promise<void>((_, fail) => process.once("SIGTERM", () => fail(fault())));
};
