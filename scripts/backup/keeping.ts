/** How many backups are kept, and what goes with those that are not. */
import { deleteBackup, listBackups, readManifest, timeOf } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import { forgetErasedLists } from "./erasures.ts";
import { forgetObjects } from "./objects.ts";
import type { Target } from "./target.ts";

const DAY = 24 * 3_600_000;

/** Deletes all but the newest `keep` whole backups, and what broken-off ones left a day ago. Returns the names. */
export async function keepNewest(target: Target, keep: number, now: number): Promise<string[]> {
  const { whole, torn } = await listBackups(target);
  const old = [...whole.slice(0, -keep), ...torn.filter((id) => (timeOf(id) ?? now) < now - DAY)];
  for (const id of old) await deleteBackup(target, id);
  const kept: Manifest[] = [];
  for (const id of whole.slice(-keep)) kept.push(await readManifest(target, id));
  await forgetObjects(
    target,
    kept.map(({ objects }) => objects.part),
    now - 2 * DAY,
  );
  const [oldest] = kept;
  if (oldest) await forgetErasedLists(target, oldest);
  return old;
}
