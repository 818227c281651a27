import { queueService } from "../../mixins/queue.ts";
import { clubsQueue } from "../queues.contract.ts";

export default queueService("clubs", clubsQueue);
