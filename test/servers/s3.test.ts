import { openStorage } from "../../lib/storage/index.ts";
import type { SignedRequest, Storage } from "../../lib/storage/index.ts";
import { describeWith } from "../support/servers/index.ts";
import { startS3 } from "../support/servers/s3.ts";
import type { S3Server } from "../support/servers/s3.ts";
import { storageSuite } from "../support/storage-suite.ts";

describeWith(["s3"], "S3", () => {
  let server: S3Server;
  const openAt = (s3Url: string): Promise<Storage> =>
    openStorage({ s3Url, s3PublicUrl: null, folder: "", links: { base: "", secret: Buffer.alloc(0) } });
  const open = async (): Promise<Storage> => openAt(server.bucketUrl("club-alliance"));

  beforeAll(async () => {
    server = await startS3();
    await server.createBucket("club-alliance");
  });
  afterAll(() => server.stop());

  storageSuite(open);

  describe("signed addresses", () => {
    const send = (
      { method, url, headers }: SignedRequest,
      body?: string,
      more: Record<string, string> = {},
    ) => {
      const { "content-length": _length, ...rest } = headers;
      return fetch(url, { method, headers: { ...rest, ...more }, ...(body !== undefined && { body }) });
    };

    test("let a client upload exactly this, and fetch it", async () => {
      const storage = await open();
      const info = { size: 5, contentType: "text/plain" };
      const upload = await storage.signUpload("files/signed", info, 60);
      expect((await send(upload, "longer")).status).toBe(403);
      expect((await send(upload, "12345", { "content-type": "text/html" })).status).toBe(403);
      expect(await storage.head("files/signed")).toBeNull();
      expect((await send(upload, "12345")).status).toBe(200);
      expect(await storage.head("files/signed")).toEqual(info);
      const download = await storage.signDownload("files/signed", 60, "报告.txt");
      const answer = await send(download);
      expect(await answer.text()).toBe("12345");
      expect(answer.headers.get("content-disposition")).toContain(encodeURIComponent("报告.txt"));
      const other = { ...download, url: download.url.replace("files/signed", "files/other") };
      expect((await send(other)).status).toBe(403);
      storage.close();
    });

    test("are good for their time", async () => {
      const storage = await open();
      const download = await storage.signDownload("files/signed", 1);
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      expect((await send(download)).status).toBe(403);
      storage.close();
    });
  });

  test("a server that is away or frozen is UNAVAILABLE, and is used again when it is back", async () => {
    const storage = await open();
    const away = { type: "UNAVAILABLE" };
    await server.kill();
    await expect(storage.head("files/signed")).rejects.toMatchObject(away);
    await expect(
      storage.put("files/late", Buffer.from("x"), { size: 1, contentType: "text/plain" }),
    ).rejects.toMatchObject(away);
    await server.restart();
    expect(await storage.head("files/signed")).not.toBeNull();
    server.pause();
    await expect(storage.head("files/signed")).rejects.toMatchObject(away);
    server.resume();
    expect(await storage.head("files/signed")).not.toBeNull();
    storage.close();
  }, 60_000);

  test("a wrong secret is told as it is", async () => {
    const url = new URL(server.bucketUrl("club-alliance"));
    url.password = "wrong";
    const storage = await openAt(url.href);
    await expect(storage.list("")).rejects.toMatchObject({ name: "SignatureDoesNotMatch" });
    storage.close();
  });
});
