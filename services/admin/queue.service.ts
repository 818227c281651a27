import { queueService } from "../../mixins/queue.ts";
import { adminQueue } from "../queues.contract.ts";

export default queueService("admin", adminQueue);
