/** What administrators have switched off is refused. */
import type { ServiceBroker } from "moleculer";
import { AppError } from "../lib/errors.ts";
import { runtimeOf } from "./runtime.ts";

/** @throws SWITCHED_OFF while the setting is off */
export function refuseSwitchedOff(
  broker: ServiceBroker,
  setting: "registration.open" | "clubs.creationOpen" | "activities.signUpOpen",
): void {
  if (!runtimeOf(broker).live.get(setting)) throw new AppError("SWITCHED_OFF");
}
