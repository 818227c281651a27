/** Backups in a folder whose list of objects is another than the one that was written. */
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Manifest } from "../../scripts/backup/manifest.ts";

const LIST = "objects.jsonl.zst";

/** The names of a backup's objects. */
export async function namesIn(folder: string, id: string): Promise<string[]> {
  const said = zstdDecompressSync(await readFile(path.join(folder, id, LIST))).toString();
  return said
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { name: string }).name);
}

/** Writes the manifest of a backup anew. */
export async function alter(folder: string, id: string, change: (manifest: Manifest) => void): Promise<void> {
  const file = path.join(folder, id, "manifest.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as Manifest;
  change(manifest);
  await writeFile(file, JSON.stringify(manifest));
}

/** Gives a backup another list, with what the manifest says of it. */
export async function relist(folder: string, id: string, change: (text: string) => string): Promise<void> {
  const file = path.join(folder, id, LIST);
  const text = change(zstdDecompressSync(await readFile(file)).toString());
  const bytes = zstdCompressSync(text);
  await writeFile(file, bytes);
  await alter(folder, id, ({ objects }) => {
    objects.part.size = bytes.length;
    objects.part.sha256 = createHash("sha256").update(bytes).digest("hex");
  });
}

/** As versions made them that put all copies into one folder, for whomever they were encrypted. */
export async function unshelve(folder: string, id: string): Promise<void> {
  const [, shelf = ""] = (await namesIn(folder, id))[0]?.split("/") ?? [];
  await relist(folder, id, (text) => text.replaceAll(`objects/${shelf}/`, "objects/"));
  await rename(path.join(folder, "objects", shelf), path.join(folder, "moved"));
  await rename(path.join(folder, "moved"), path.join(folder, "objects"));
}
