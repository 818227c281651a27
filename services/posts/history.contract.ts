import { declare } from "../../lib/declare.ts";
import { historyPage } from "../../lib/facts.ts";

/** Every post, then every comment, whatever became of it, for the statistics. */
export const postHistory = declare("postHistory", { page: historyPage });
