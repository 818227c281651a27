import { onMongodb } from "../support/on-mongodb.ts";

await onMongodb(() => import("../unit/outbox.test.ts"));
