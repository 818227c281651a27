import { onMongodb } from "../support/on-mongodb.ts";

await onMongodb(() => import("../integration/document-outbox.test.ts"));
