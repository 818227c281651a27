/** On servers a node waits until the migrations of its stores have run, and says so meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "moleculer";

/**
 * Resolves when nothing is pending. Until then `block` gets the reason, and in the end null; it goes on while the
 * store cannot be reached.
 * @param closed tells when nobody waits any more
 */
export async function waitForMigrations(
  migrations: { pending(): Promise<string[]> },
  domain: string,
  log: Logger,
  block: (reason: string | null) => void,
  closed: () => boolean = () => false,
): Promise<void> {
  for (let told = false; !closed(); told = true) {
    const reason = await migrations.pending().then(
      (pending) =>
        pending.length > 0
          ? `${domain}: migrations are pending (${pending.join(", ")}): run \`npm run migrate -- up\``
          : null,
      (error: unknown) => `${domain}: the database is not reachable (${(error as Error).message})`,
    );
    block(reason);
    if (!reason) return;
    if (!told) log.warn(reason);
    await sleep(1_000);
  }
}
