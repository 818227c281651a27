import { documentQueueService } from "../../mixins/queue.ts";
import { activitiesQueue } from "../queues.contract.ts";

export default documentQueueService("activities", activitiesQueue);
