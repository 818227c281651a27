import { declare } from "../../lib/declare.ts";
import { historyPage } from "../../lib/facts.ts";

/** Every published activity, every occurrence with sign-ups, everyone in them, for the statistics. */
export const activityHistory = declare("activityHistory", { page: historyPage });
