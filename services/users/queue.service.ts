import { queueService } from "../../mixins/queue.ts";
import { usersQueue } from "../queues.contract.ts";

export default queueService("users", usersQueue);
