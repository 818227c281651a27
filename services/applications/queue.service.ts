import { queueService } from "../../mixins/queue.ts";
import { applicationsQueue } from "../queues.contract.ts";

export default queueService("applications", applicationsQueue);
