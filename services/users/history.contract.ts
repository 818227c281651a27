import { declare } from "../../lib/declare.ts";
import { historyPage } from "../../lib/facts.ts";

/** Everyone who ever had an account, for the statistics. */
export const userHistory = declare("userHistory", { page: historyPage });
