/**
 * `npm start`: the whole federation in one process. `npm run node -- users clubs`: one node with the domains named.
 * What Node has compiled once it keeps, in the folder for temporary files: a start takes less time and memory then.
 */
import { enableCompileCache } from "node:module";

enableCompileCache();
await import("./run-node.ts");
