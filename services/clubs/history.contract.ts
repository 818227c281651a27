import { declare } from "../../lib/declare.ts";
import { historyPage } from "../../lib/facts.ts";

/** Every club that was founded, then everyone who is in one, for the statistics. */
export const clubHistory = declare("clubHistory", { page: historyPage });
