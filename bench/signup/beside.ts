/** Somebody who reads the list of clubs again and again: a thread of its own, which the making of the rush does not hold up. */
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Client } from "../../test/support/http.ts";

const EVERY = 20;

export interface Beside {
  /** Milliseconds of each answer. */
  times: number[];
  /** Answers other than 200. */
  refused: number;
}

/** Starts reading; what is returned ends it. */
export async function readBeside(port: number): Promise<() => Promise<Beside>> {
  const worker = new Worker(new URL(import.meta.url), { workerData: port });
  // Where the server is gone, the rush says so.
  worker.on("error", () => undefined);
  await new Promise((resolve) => worker.once("online", resolve));
  return async () => {
    const found = new Promise<Beside>((resolve) => worker.once("message", resolve));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- to a thread, which has no origin
    worker.postMessage("end");
    return found.finally(() => void worker.terminate());
  };
}

async function read(port: number): Promise<void> {
  const client = new Client(`http://127.0.0.1:${port}`);
  const found: Beside = { times: [], refused: 0 };
  let ended = false;
  parentPort?.once("message", () => (ended = true));
  while (!ended) {
    const begun = performance.now();
    const { status } = await client.send("GET", "/clubs");
    if (status === 200) found.times.push(performance.now() - begun);
    else found.refused += 1;
    await sleep(EVERY);
  }
  client.close();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- to a thread, which has no origin
  parentPort?.postMessage(found);
}

if (!isMainThread) await read(workerData as number);
