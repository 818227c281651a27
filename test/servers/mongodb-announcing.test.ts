import { onMongodb } from "../support/on-mongodb.ts";

await onMongodb(() => import("../unit/announcing.test.ts"));
