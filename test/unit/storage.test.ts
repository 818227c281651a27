import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { FolderStorage } from "../../lib/storage/folder.ts";
import { openStorage } from "../../lib/storage/index.ts";
import type { Storage } from "../../lib/storage/index.ts";
import { readLink } from "../../lib/storage/links.ts";
import { ownSecret, readSecret } from "../../lib/storage/secret.ts";
import { storageSuite } from "../support/storage-suite.ts";

const links = { base: "https://clubs.example.edu/stored", secret: randomBytes(32) };
let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), "storage-"))));
afterAll(() => rm(folder, { recursive: true }));

const open = (): Promise<Storage> => openStorage({ s3Url: null, s3PublicUrl: null, folder, links });

describe("the folder", () => {
  storageSuite(open);

  test("shows nothing of what is half written, and is rid of it at the next start", async () => {
    const storage = await open();
    let feed: () => void = () => undefined;
    const body = new Readable({ read: () => undefined });
    body.push("half");
    feed = () => body.destroy(new Error("the client has gone"));
    const put = storage.put("half/written", body, { size: 8, contentType: "text/plain" });
    expect(await storage.list("half/")).toEqual([]);
    feed();
    await expect(put).rejects.toThrow("the client has gone");
    expect(await storage.head("half/written")).toBeNull();
    const left = path.join(folder, "incoming", "left-by-a-crash");
    await writeFile(left, "half");
    await (await open()).tidy();
    // Another process may still be writing it.
    expect(await readdir(path.join(folder, "incoming"))).toEqual(["left-by-a-crash"]);
    const [hour, now] = [3_600, Date.now() / 1_000];
    await utimes(left, now - 2 * hour, now - 2 * hour);
    await (await open()).tidy();
    expect(await readdir(path.join(folder, "incoming"))).toEqual([]);
  });

  test("replaces where that is meant, and not by half", async () => {
    const storage = (await open()) as FolderStorage;
    const signal = new AbortController().signal;
    const info = { size: 3, contentType: "text/plain" };
    const body = (text: string) => Readable.from([Buffer.from(text)]);
    await storage.replace("some/one", body("one"), info, signal);
    await storage.replace("some/one", body("two"), info, signal);
    await expect(storage.replace("some/one", body("three"), info, signal)).rejects.toThrow(TypeError);
    const found = await storage.get("some/one");
    expect(found && (await text(found.stream))).toBe("two");
  });

  test("keeps no empty folder of a file whose objects are gone", async () => {
    const storage = await open();
    for (const key of ["kept/a/1", "kept/a/2"])
      await storage.put(key, Buffer.from("x"), { size: 1, contentType: "text/plain" });
    await storage.delete("kept/a/1");
    expect(await storage.list("kept/")).toEqual(["kept/a/2"]);
    await storage.delete("kept/a/2");
    expect(await readdir(path.join(folder, "objects", "kept"))).toEqual([]);
  });
});

test("the secret of a folder is made once, for its owner alone", async () => {
  const place = path.join(folder, "secrets");
  expect(await readSecret(place)).toBeNull();
  const [secret, ...others] = await Promise.all(Array.from({ length: 5 }, () => ownSecret(place)));
  expect(others.every((each) => secret?.equals(each))).toBe(true);
  expect(await readSecret(place)).toEqual(secret);
  expect(secret).toHaveLength(32);
  const names = await readdir(place);
  expect(names).toHaveLength(1);
  expect((await stat(path.join(place, names[0] as string))).mode & 0o777).toBe(0o600);
});

describe("signed addresses of the folder", () => {
  const tokenOf = (url: string): string => url.slice(links.base.length + 1);

  test("allow what they say, to whoever has them, for their time", async () => {
    const storage = await open();
    const info = { size: 10, contentType: "image/png" };
    const { url, ...upload } = await storage.signUpload("files/a", info, 60);
    expect(upload).toEqual({
      method: "PUT",
      headers: { "content-type": "image/png", "content-length": "10" },
    });
    const token = tokenOf(url);
    expect(readLink(links.secret, token)).toEqual({ method: "PUT", key: "files/a", ...info });
    expect(readLink(links.secret, token, Date.now() + 61_000)).toBeNull();
    expect(readLink(randomBytes(32), token)).toBeNull();
    const download = tokenOf((await storage.signDownload("files/a", 60, "报告.pdf")).url);
    expect(readLink(links.secret, download)).toEqual({
      method: "GET",
      key: "files/a",
      fileName: "报告.pdf",
    });
  });

  test.each(["", "x", "x.y", "x.y.z"])("are not %j", (token) => {
    expect(readLink(links.secret, token)).toBeNull();
  });

  test("say nothing else when they are changed", async () => {
    const storage = await open();
    const token = tokenOf((await storage.signDownload("files/a", 60)).url);
    const [payload = "", mac] = token.split(".");
    const other = Buffer.from(payload, "base64url").toString().replace("files/a", "files/b");
    expect(readLink(links.secret, `${Buffer.from(other).toString("base64url")}.${mac}`)).toBeNull();
  });
});
