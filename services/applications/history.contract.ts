import { declare } from "../../lib/declare.ts";
import { historyPage } from "../../lib/facts.ts";

/** Every application, for the statistics. */
export const applicationHistory = declare("applicationHistory", { page: historyPage });
