import { documentQueueService } from "../../mixins/queue.ts";
import { postsQueue } from "../queues.contract.ts";

export default documentQueueService("posts", postsQueue);
