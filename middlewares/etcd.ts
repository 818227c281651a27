/**
 * Moleculer's discoverer on etcd, which holds on to the nodes that it knows while etcd does not answer: by itself it takes
 * every other node for dead three seconds after etcd has gone, and the whole cluster stands still; and a connection that
 * etcd drops at the wrong moment ends a node, since nobody handles that.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Discoverers } from "moleculer";

/** Milliseconds. */
const CALL_LIMIT = 2_000;
/** Without an answer for so long, heartbeats say nothing. */
const SILENT = 2_500;
const PAUSE = 300;
/** After etcd is back, until every node can have told it again that it lives. */
const GRACE = 10_000;

export class PatientEtcd3 extends Discoverers.Etcd3 {
  #answeredAt = Date.now();
  #patientUntil = 0;

  /** @param hosts `http://host:2379`, several separated by commas */
  constructor(hosts: string) {
    const defaultCallOptions = () => ({ deadline: Date.now() + CALL_LIMIT });
    super({ etcd: { hosts: hosts.split(","), defaultCallOptions } });
  }

  readonly #beat = oneByOne(() => super.sendHeartbeat());
  readonly #tell = oneByOne(() => super.sendLocalNodeInfo());

  /** A lease that cannot be had is "lost", and a lost lease has Moleculer try again at once: without end, and without a pause. */
  override sendHeartbeat(): Promise<void> {
    return this.#beat();
  }

  override sendLocalNodeInfo(): Promise<void> {
    return this.#tell();
  }

  override async collectOnlineNodes(): Promise<void> {
    await super.collectOnlineNodes();
    const now = Date.now();
    if (now - this.#answeredAt > SILENT) this.#patientUntil = now + GRACE;
    this.#answeredAt = now;
  }

  /** Asked again with the next heartbeat. */
  override async discoverNode(
    nodeID: string,
  ): ReturnType<InstanceType<typeof Discoverers.Etcd3>["discoverNode"]> {
    return super.discoverNode(nodeID).catch((error: unknown) => this.#warn("A node is found later", error));
  }

  /** With the next heartbeat. */
  override async discoverAllNodes(): ReturnType<InstanceType<typeof Discoverers.Etcd3>["discoverAllNodes"]> {
    return super
      .discoverAllNodes()
      .catch((error: unknown) => this.#warn("The other nodes are found later", error));
  }

  /** The others have been told by then; what etcd still knows of this node runs out. */
  override async localNodeDisconnected(): Promise<void> {
    return super
      .localNodeDisconnected()
      .catch((error: unknown) => this.#warn("This node was not taken out of etcd", error));
  }

  #warn(text: string, error: unknown): void {
    this.logger.warn(`${text}: etcd does not answer`, { error: String(error) });
  }

  override checkRemoteNodes(): void {
    if (!this.#isPatient()) super.checkRemoteNodes();
  }

  /** A node that stops says so itself; one that etcd does not know may only not have told it yet. */
  override remoteNodeDisconnected(nodeID: string, isUnexpected: boolean): void {
    if (!isUnexpected || !this.#isPatient()) super.remoteNodeDisconnected(nodeID, isUnexpected);
  }

  #isPatient(): boolean {
    const now = Date.now();
    return now < this.#patientUntil || now - this.#answeredAt > SILENT;
  }
}

/** Runs `work` once at a time, with a pause after it; whoever asks meanwhile has it run once more. */
function oneByOne(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const run = (): Promise<void> => {
    if (running) return (next ??= running.then(() => ((next = null), run())));
    const pause = sleep(PAUSE, undefined, { ref: false });
    return (running = Promise.all([work(), pause]).then(() => void (running = null)));
  };
  return run;
}
