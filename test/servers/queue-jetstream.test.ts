import { queueSuite } from "../support/queue-suite.ts";
import { describeWith } from "../support/servers/index.ts";
import { startNatsCluster } from "../support/servers/nats-cluster.ts";

describeWith(["nats", "mariadb"], "the queue on JetStream, three replicas", () => {
  queueSuite(startNatsCluster);
});
