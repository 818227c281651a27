/** What the canary does in the cluster, by kubectl. */
import { CanaryError, canaryName, canaryOf, imageOf, partsOf, promotionOf } from "./deployment.ts";
import type { Deployment } from "./deployment.ts";

/** Runs kubectl with these arguments; `input` is what it reads. Rejects with what it says when it fails. */
export type Kubectl = (args: readonly string[], input?: string) => Promise<string>;

/** How long kubectl waits for a Deployment to be ready. */
const READY = "--timeout=10m";

/** Starts the canary and waits until it is ready. One that does not become ready is taken away again. */
export async function start(kubectl: Kubectl, domain: string, image: string): Promise<void> {
  partsOf(image);
  const stable = await read(kubectl, domain);
  const canary = canaryOf(stable, image);
  await kubectl(["apply", "-f", "-"], JSON.stringify(canary));
  await kubectl(["rollout", "status", `deployment/${canary.metadata.name}`, READY]).catch(
    async (error: unknown) => {
      await abort(kubectl, domain);
      throw new CanaryError(
        `The canary of ${domain} did not become ready, and was taken away: ${String(error)}`,
      );
    },
  );
}

/**
 * Gives the stable nodes the canary's image, one after the other, and takes the canary away when all are ready. When
 * they do not become ready they get back what they had. May be repeated after it was interrupted.
 */
export async function promote(kubectl: Kubectl, domain: string): Promise<string> {
  const image = imageOf(await read(kubectl, canaryName(domain)));
  const stable = await read(kubectl, domain);
  const before = imageOf(stable);
  await patch(kubectl, domain, promotionOf(stable, image));
  await kubectl(["rollout", "status", `deployment/${domain}`, READY]).catch(async (error: unknown) => {
    if (before !== image) {
      await patch(kubectl, domain, promotionOf(stable, before));
      await kubectl(["rollout", "status", `deployment/${domain}`, READY]);
    }
    await abort(kubectl, domain);
    throw new CanaryError(
      `${domain} did not become ready with ${image}, and is back at ${before}: ${String(error)}`,
    );
  });
  await abort(kubectl, domain);
  return image;
}

/** Takes the canary away; without one there is nothing to do. */
export async function abort(kubectl: Kubectl, domain: string): Promise<void> {
  await kubectl(["delete", "deployment", canaryName(domain), "--ignore-not-found", "--wait=true"]);
}

async function patch(kubectl: Kubectl, name: string, change: object): Promise<void> {
  await kubectl(["patch", "deployment", name, "--type=strategic", "-p", JSON.stringify(change)]);
}

async function read(kubectl: Kubectl, name: string): Promise<Deployment> {
  return JSON.parse(await kubectl(["get", "deployment", name, "-o", "json"])) as Deployment;
}
