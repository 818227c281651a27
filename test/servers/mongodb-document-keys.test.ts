import { onMongodb } from "../support/on-mongodb.ts";

await onMongodb(() => import("../unit/document-keys.test.ts"));
