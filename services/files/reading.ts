/** Objects that are small enough to be in memory. */
import type { Storage } from "../../lib/storage/index.ts";

/** The bytes of an object; null when it is gone, or has another size. */
export async function readWhole(storage: Storage, key: string, size: number): Promise<Buffer | null> {
  const found = await storage.get(key);
  if (!found) return null;
  if (found.size !== size) {
    found.stream.destroy();
    return null;
  }
  const bytes = Buffer.alloc(size);
  let got = 0;
  for await (const chunk of found.stream as AsyncIterable<Buffer>) {
    if (got + chunk.length > size) return null;
    got += chunk.copy(bytes, got);
  }
  return got === size ? bytes : null;
}
