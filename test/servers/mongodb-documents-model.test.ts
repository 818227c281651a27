import { onMongodb } from "../support/on-mongodb.ts";

await onMongodb(() => import("../unit/documents-model.test.ts"));
