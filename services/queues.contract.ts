import { declare } from "../lib/declare.ts";
import { queueActions } from "../lib/queue-contract.ts";

/** The queues of the domains that tell others something, for operators. */
export const usersQueue = declare("usersQueue", queueActions);
export const clubsQueue = declare("clubsQueue", queueActions);
export const applicationsQueue = declare("applicationsQueue", queueActions);
export const activitiesQueue = declare("activitiesQueue", queueActions);
export const adminQueue = declare("adminQueue", queueActions);
export const postsQueue = declare("postsQueue", queueActions);
