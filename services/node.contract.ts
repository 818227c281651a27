import { declare } from "../lib/declare.ts";

/** What every node has, whatever it runs. */
export const node = declare("node", {});
