/** Files whose objects are on an S3 server: clients send and fetch them there, past the federation's nodes. */
import sharp from "sharp";
import { newId } from "../../lib/ids.ts";
import type { Person } from "../support/federation.ts";
import { picture, startDepot } from "../support/files.ts";
import type { Depot } from "../support/files.ts";
import { describeWith } from "../support/servers/index.ts";
import { startS3 } from "../support/servers/s3.ts";
import type { S3Server } from "../support/servers/s3.ts";
import { zipOf } from "../support/zips.ts";

const DAY = 86_400_000;
const CDN = "https://cdn.example.edu";

describeWith(["s3"], "files on S3", () => {
  let server: S3Server;
  let depot: Depot;
  let ada: Person;
  let ben: Person;
  let red: Buffer;

  beforeAll(async () => {
    server = await startS3();
    depot = await startDepot({ S3_URL: await server.createBucket("club-alliance") });
    [ada, ben] = [await depot.federation.register(), await depot.federation.register()];
    red = await picture(100, 50);
  }, 60_000);
  afterAll(async () => {
    await depot?.stop();
    await server?.stop();
  });

  const completing = (id: string, person: Person = ada) =>
    depot.outcome("POST", `/files/${id}/complete`, person);

  test("go there and come from there", async () => {
    const announced = await depot.announce(ada, red, { name: "头像.png", purpose: "avatar" });
    expect(new URL(announced.upload.url).origin).toBe(server.url);
    expect((await depot.send(announced, red)).status).toBe(200);
    const file = await depot.complete(ada, announced.file.id);
    expect(file).toMatchObject({ status: "ready", width: 100, height: 50 });
    const address = await depot.address(null, file.id);
    expect(new URL(address).origin).toBe(server.url);
    const answer = await fetch(address);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(answer.headers.get("content-disposition")).toMatch(/^inline; /);
    const got = Buffer.from(await answer.arrayBuffer());
    expect([got.length, (await sharp(got).metadata()).width]).toEqual([file.size, 100]);
    expect((await fetch(`${depot.federation.url}/blobs/x.y`)).status).toBe(404);
  });

  test("are saved under their names, and in parts", async () => {
    const bytes = Buffer.from("社团章程".repeat(100));
    const { id } = await depot.upload(ada, bytes, { name: "章程 (1).txt", contentType: "text/plain" });
    const answer = await depot.fetch(ada, id, "", { range: "bytes=3-5" });
    expect([answer.status, await answer.text()]).toEqual([206, "团"]);
    const header = answer.headers.get("content-disposition") as string;
    expect(header).toMatch(/^attachment; /);
    expect(decodeURIComponent(header.split("''")[1] as string)).toBe("章程 (1).txt");
  });

  test("of another size or type are refused there", async () => {
    const announced = await depot.announce(ada, red);
    expect((await depot.send(announced, Buffer.concat([red, red]))).status).toBe(403);
    expect((await depot.send(announced, red, { "content-type": "text/html" })).status).toBe(403);
    expect(await completing(announced.file.id)).toBe("422 UPLOAD_MISSING");
  });

  test("that are something else are refused and deleted", async () => {
    const zip = zipOf({ "a.png": "x" });
    const announced = await depot.announce(ada, zip);
    expect((await depot.send(announced, zip)).status).toBe(200);
    expect(await completing(announced.file.id)).toBe("422 WRONG_FILE");
    expect(await depot.files.storage.list(`uploads/${announced.file.id}`)).toEqual([]);
  });

  test("do not change by a second upload, which a sweep deletes", async () => {
    const [first, second] = [Buffer.from("first."), Buffer.from("second")];
    const announced = await depot.announce(ada, first, { name: "a.txt", contentType: "text/plain" });
    const { id } = announced.file;
    await depot.send(announced, first);
    const all = await Promise.all([1, 2, 3].map(() => depot.complete(ada, id)));
    expect(new Set(all.map((each) => each.size))).toEqual(new Set([6]));
    expect((await depot.send(announced, second)).status).toBe(200);
    expect(await (await depot.fetch(ada, id)).text()).toBe("first.");
    expect(await depot.files.storage.list(`uploads/${id}`)).toHaveLength(1);
    await depot.files.sweepStorage(Date.now() + 2 * DAY + 1_000);
    expect(await depot.files.storage.list(`uploads/${id}`)).toEqual([]);
    expect(await (await depot.fetch(ada, id)).text()).toBe("first.");
  });

  test("come in other widths, and go with all of them", async () => {
    const { id } = await depot.upload(ada, await picture(600, 300));
    const small = await depot.fetch(ada, id, "?width=128");
    const size = await sharp(Buffer.from(await small.arrayBuffer())).metadata();
    expect(size).toMatchObject({ width: 128, height: 64 });
    expect(await depot.files.storage.list(`post/${id}/`)).toHaveLength(2);
    expect(await depot.outcome("GET", `/files/${id}`, ben)).toBe("404 NOT_FOUND");
    expect(await depot.outcome("DELETE", `/files/${id}`, ada)).toBe("204");
    expect(await depot.files.storage.list(`post/${id}/`)).toEqual([]);
  });

  test("wait for a server that is away, and nothing is lost; what was deleted meanwhile goes later", async () => {
    const kept = await depot.upload(ada, red);
    const gone = await depot.upload(ada, red);
    const waiting = await depot.announce(ada, red);
    await depot.send(waiting, red);
    await server.kill();
    expect(await completing(waiting.file.id)).toBe("503 UNAVAILABLE");
    expect(await depot.outcome("DELETE", `/files/${gone.id}`, ada)).toBe("204");
    expect(await depot.outcome("GET", `/files/${gone.id}`, ada)).toBe("404 NOT_FOUND");
    expect(await depot.outcome("GET", `/files/${kept.id}`, ada)).toBe("302");
    await server.restart();
    expect(await completing(waiting.file.id)).toBe("200");
    expect(await depot.files.storage.list(`post/${gone.id}/`)).toHaveLength(1);
    await depot.files.sweep(Date.now());
    expect(await depot.files.storage.list(`post/${gone.id}/`)).toEqual([]);
    expect((await depot.fetch(ada, kept.id)).status).toBe(200);
  }, 60_000);

  test("that everybody may see come from the CDN, where there is one", async () => {
    const other = await startDepot({ S3_URL: server.bucketUrl("club-alliance"), S3_PUBLIC_URL: CDN });
    try {
      const { storage } = other.files;
      const key = `avatar/${newId()}/${newId()}`;
      expect(storage.publicUrl(key)).toBe(`${CDN}/club-alliance/${key}`);
      const eve = await other.federation.register();
      const announced = await other.announce(eve, red, { purpose: "avatar" });
      expect(new URL(announced.upload.url).origin).toBe(CDN);
      await storage.put(`uploads/${announced.file.id}`, red, { size: red.length, contentType: "image/png" });
      await other.complete(eve, announced.file.id);
      const plain = await other.address(null, announced.file.id);
      expect(plain.startsWith(`${CDN}/club-alliance/avatar/${announced.file.id}/`)).toBe(true);
      expect(new URL(plain).search).toBe("");
      expect(await other.address(null, announced.file.id, "?width=64")).toMatch(/\.64$/);
    } finally {
      await other.stop();
    }
  }, 60_000);
});
