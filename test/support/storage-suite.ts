/** What holds of every storage. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { newId } from "../../lib/ids.ts";
import type { Storage } from "../../lib/storage/index.ts";

const TEXT = { contentType: "text/plain" };

/** Bytes that come in pieces, and never all at once. */
async function* pieces(megabytes: number): AsyncGenerator<Buffer> {
  for (let n = 0; n < megabytes * 16; n++) yield Buffer.alloc(65_536, n % 251);
}

export function storageSuite(open: () => Promise<Storage>): void {
  let storage: Storage;
  beforeAll(async () => void (storage = await open()), 30_000);
  afterAll(() => storage.close());

  const key = (): string => `files/${newId()}`;
  const text = async (at: string): Promise<string | null> => {
    const found = await storage.get(at);
    return found && (await buffer(found.stream)).toString();
  };

  test("keeps what it is given, with its type", async () => {
    const at = key();
    expect(await storage.put(at, Buffer.from("社团"), { size: 6, ...TEXT })).toBe(true);
    expect(await storage.head(at)).toEqual({ size: 6, contentType: "text/plain" });
    expect(await text(at)).toBe("社团");
    const part = await storage.get(at, { from: 3, to: 5 });
    expect(part).toMatchObject({ size: 6 });
    expect((await buffer((part as { stream: Readable }).stream)).toString()).toBe("团");
  });

  test("keeps nothing as something, too", async () => {
    const at = key();
    expect(await storage.put(at, Buffer.alloc(0), { size: 0, ...TEXT })).toBe(true);
    expect(await text(at)).toBe("");
  });

  test("never replaces what is there, also when many come at once", async () => {
    const at = key();
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, (_, n) => storage.put(at, Buffer.from(`${n}`), { size: 1, ...TEXT })),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await text(at)).toBe(String(outcomes.indexOf(true)));
    expect(await storage.put(at, Buffer.from("x"), { size: 1, ...TEXT })).toBe(false);
  });

  test("streams what is large", async () => {
    const at = key();
    const size = 30 * 2 ** 20;
    expect(await storage.put(at, Readable.from(pieces(30)), { size, contentType: "application/zip" })).toBe(
      true,
    );
    const [sent, got] = [createHash("sha256"), createHash("sha256")];
    for await (const piece of pieces(30)) sent.update(piece);
    for await (const piece of (await storage.get(at))?.stream ?? []) got.update(piece as Buffer);
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  test.each([
    ["shorter", 20],
    ["longer", 4],
  ])("keeps nothing of a body that is %s than said", async (_, size) => {
    const at = key();
    await expect(
      storage.put(at, Readable.from([Buffer.from("ten bytes.")]), { size, ...TEXT }),
    ).rejects.toThrow();
    expect(await storage.head(at)).toBeNull();
    expect(await storage.put(at, Buffer.from("fine"), { size: 4, ...TEXT })).toBe(true);
  });

  test("knows nothing of what is not there, and deletes it without a word", async () => {
    const at = key();
    expect([await storage.head(at), await storage.get(at)]).toEqual([null, null]);
    await storage.delete(at);
    await storage.put(at, Buffer.from("x"), { size: 1, ...TEXT });
    await storage.delete(at);
    expect(await storage.head(at)).toBeNull();
    expect(await storage.put(at, Buffer.from("y"), { size: 1, ...TEXT })).toBe(true);
  });

  test("lists by prefix, in order, after a key", async () => {
    const folder = newId();
    for (const name of ["b", "a", "c"])
      await storage.put(`${folder}/${name}`, Buffer.from("x"), { size: 1, ...TEXT });
    expect(await storage.list(`${folder}/`)).toEqual([`${folder}/a`, `${folder}/b`, `${folder}/c`]);
    expect(await storage.list(`${folder}/`, `${folder}/a`)).toEqual([`${folder}/b`, `${folder}/c`]);
    expect(await storage.list(`${newId()}/`)).toEqual([]);
  });

  test.each(["../x", "/x", "a//b", "a/../b", ".hidden", "a/.hidden", "", "ä", "a\\b", "x".repeat(201)])(
    "takes no key %j",
    async (at) => {
      await expect(storage.put(at, Buffer.from("x"), { size: 1, ...TEXT })).rejects.toThrow(TypeError);
      await expect(storage.get(at)).rejects.toThrow(TypeError);
      await expect(storage.signUpload(at, { size: 1, ...TEXT }, 60)).rejects.toThrow(TypeError);
    },
  );
}
