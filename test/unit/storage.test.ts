import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { openStorage } from "../../lib/storage/index.ts";
import type { Storage } from "../../lib/storage/index.ts";
import { readLink } from "../../lib/storage/links.ts";
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
    await writeFile(path.join(folder, "incoming", "left-by-a-crash"), "half");
    await open();
    expect(await readdir(path.join(folder, "incoming"))).toEqual([]);
  });
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
