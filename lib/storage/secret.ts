/** The secret that a folder's addresses are signed with: made once, and shared by the processes of one machine. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { newId } from "../ids.ts";
import { linkNew } from "./folder.ts";

const NAME = "link-secret";

/** The secret of a folder of stored objects; null where nobody has stored anything yet. */
export async function readSecret(folder: string): Promise<Buffer | null> {
  try {
    return Buffer.from(await readFile(path.join(folder, NAME), "utf8"), "base64url");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** The secret of a folder, made where there is none; of two who make one at once both get the same. */
export async function ownSecret(folder: string): Promise<Buffer> {
  const known = await readSecret(folder);
  if (known) return known;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = path.join(folder, `${NAME}.${newId()}`);
  try {
    await writeFile(made, randomBytes(32).toString("base64url"), { mode: 0o600, flush: true });
    await linkNew(made, path.join(folder, NAME));
  } finally {
    await rm(made, { force: true });
  }
  return (await readSecret(folder)) as Buffer;
}
