/** What the canary does in the cluster, by kubectl. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  beforeOf,
  CanaryError,
  canaryName,
  canaryOf,
  imageOf,
  noteOf,
  partsOf,
  promotionOf,
} from "./deployment.ts";
import type { Deployment } from "./deployment.ts";

/** Runs kubectl with these arguments; `input` is what it reads. Rejects with what it says when it fails. */
export type Kubectl = (args: readonly string[], input?: string) => Promise<string>;

/** How long kubectl waits for a Deployment to be ready. */
const READY = "--timeout=10m";

/** How often the way back is tried, with a pause of so many seconds: an API that is replaced is away for a minute or two. */
const TRIES = 10;
const PAUSE = 15;
/** Seconds after which no try begins: a Deployment that kubectl has waited for in vain is not waited for again. */
const PATIENCE = 300;

/** Starts the canary and waits until it is ready. One that does not become ready is taken away again. */
export async function start(kubectl: Kubectl, domain: string, image: string, pause = PAUSE): Promise<void> {
  partsOf(image);
  const left = await find(kubectl, canaryName(domain));
  if (left && beforeOf(left))
    throw new CanaryError(
      `A promotion of ${domain} from ${beforeOf(left)} to ${imageOf(left)} did not end: promote it again, or abort it.`,
    );
  const stable = await read(kubectl, domain);
  const canary = canaryOf(stable, image);
  await kubectl(["apply", "-f", "-"], JSON.stringify(canary));
  await rolledOut(kubectl, canary.metadata.name).catch(async (error: unknown) => {
    await abort(kubectl, domain, pause);
    throw new CanaryError(
      `The canary of ${domain} did not become ready, and was taken away: ${String(error)}`,
    );
  });
}

/**
 * Gives the stable nodes the canary's image, one after the other, and takes the canary away when all are ready. When
 * they do not become ready they get back what they had. May be repeated after it was interrupted: what they had stands
 * at the canary from before the first of them changes until the canary goes.
 */
export async function promote(kubectl: Kubectl, domain: string, pause = PAUSE): Promise<string> {
  const canary = await read(kubectl, canaryName(domain));
  const stable = await read(kubectl, domain);
  const image = imageOf(canary);
  const before = imageOf(stable);
  const change = promotionOf(stable, image);
  if (!beforeOf(canary) && before !== image) await patch(kubectl, canaryName(domain), noteOf(before));
  try {
    await patch(kubectl, domain, change);
    await rolledOut(kubectl, domain);
  } catch (error) {
    const back = await takenBack(kubectl, domain, pause);
    throw new CanaryError(`${domain} did not become ready with ${image}, and ${back}: ${String(error)}`);
  }
  await remove(kubectl, domain, pause);
  return image;
}

/** What became of a promotion that failed, for the sentence that says so. */
async function takenBack(kubectl: Kubectl, domain: string, pause: number): Promise<string> {
  try {
    const before = await abort(kubectl, domain, pause);
    return before ? `is back at ${before}` : "had it before already: there is nothing to go back to";
  } catch (error) {
    return `is not known to be back (${String(error)}): abort it when the cluster answers`;
  }
}

/**
 * Takes the canary away; without one there is nothing to do. After a promotion that did not end the stable nodes first
 * get back what they had: the image is returned then.
 */
export async function abort(kubectl: Kubectl, domain: string, pause = PAUSE): Promise<string | undefined> {
  const canary = await insist(() => find(kubectl, canaryName(domain)), pause);
  const before = canary && beforeOf(canary);
  if (before) {
    await insist(async () => {
      await patch(kubectl, domain, promotionOf(await read(kubectl, domain), before));
      await rolledOut(kubectl, domain);
    }, pause);
  }
  await remove(kubectl, domain, pause);
  return before;
}

async function remove(kubectl: Kubectl, domain: string, pause: number): Promise<void> {
  await insist(
    () => kubectl(["delete", "deployment", canaryName(domain), "--ignore-not-found", "--wait=true"]),
    pause,
  );
}

/** Does something until it succeeds, a few times. */
async function insist<T>(work: () => Promise<T>, pause: number): Promise<T> {
  const end = Date.now() + PATIENCE * 1_000;
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || Date.now() > end) throw error;
      await sleep(pause * 1_000);
    }
  }
}

async function rolledOut(kubectl: Kubectl, name: string): Promise<void> {
  await kubectl(["rollout", "status", `deployment/${name}`, READY]);
}

async function patch(kubectl: Kubectl, name: string, change: object): Promise<void> {
  await kubectl(["patch", "deployment", name, "--type=strategic", "-p", JSON.stringify(change)]);
}

async function find(kubectl: Kubectl, name: string): Promise<Deployment | undefined> {
  const found = await kubectl(["get", "deployment", name, "--ignore-not-found", "-o", "json"]);
  return found.trim() ? (JSON.parse(found) as Deployment) : undefined;
}

async function read(kubectl: Kubectl, name: string): Promise<Deployment> {
  return JSON.parse(await kubectl(["get", "deployment", name, "-o", "json"])) as Deployment;
}
