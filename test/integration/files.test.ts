import { readdir } from "node:fs/promises";
import { request } from "node:http";
import path from "node:path";
import sharp from "sharp";
import { newId } from "../../lib/ids.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { eventually } from "../support/federation.ts";
import type { Person } from "../support/federation.ts";
import { patientFetch, picture, startDepot } from "../support/files.ts";
import type { Announced, Depot } from "../support/files.ts";
import { officeOf, zipOf } from "../support/zips.ts";

const DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const PDF = Buffer.from(`%PDF-1.7\n${"x".repeat(10_000)}`);

let depot: Depot;
let ada: Person;
let ben: Person;
let red: Buffer;

beforeAll(async () => {
  depot = await startDepot();
  [ada, ben] = [await depot.federation.register(), await depot.federation.register()];
  red = await picture(100, 50);
}, 60_000);
afterAll(() => depot?.stop());

const announcing = (announcement: object, person: Person | null = ada) =>
  depot.outcome("POST", "/files", person, {
    name: "a.png",
    contentType: "image/png",
    size: 10,
    purpose: "post",
    ...announcement,
  });
const completing = (id: string, person: Person | null = ada) =>
  depot.outcome("POST", `/files/${id}/complete`, person);

test("the whole way of a picture", async () => {
  const announced = await depot.announce(ada, red, { name: "李明的照片.PNG", purpose: "avatar" });
  const { file, upload } = announced;
  expect(file).toEqual({
    id: file.id,
    name: "李明的照片.png",
    contentType: "image/png",
    size: red.length,
    purpose: "avatar",
    status: "pending",
    width: null,
    height: null,
    createdAt: file.createdAt,
  });
  expect(upload).toMatchObject({
    method: "PUT",
    headers: { "content-type": "image/png", "content-length": String(red.length) },
  });
  const minutes = (Date.parse(upload.expiresAt) - Date.now()) / 60_000;
  expect(minutes > 10 && minutes <= 15).toBe(true);
  expect((await depot.send(announced, red)).status).toBe(200);
  const ready = await depot.complete(ada, file.id);
  expect(ready).toEqual({ ...file, status: "ready", width: 100, height: 50, size: ready.size });
  const answer = await depot.fetch(null, file.id);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "image/png"]);
  const got = Buffer.from(await answer.arrayBuffer());
  expect(got.length).toBe(ready.size);
  expect(await sharp(got).metadata()).toMatchObject({ format: "png", width: 100, height: 50 });
});

describe("an announcement", () => {
  test.each([
    [{ contentType: "text/html" }, "422 VALIDATION_FAILED contentType=NOT_ALLOWED"],
    [{ contentType: "image/svg+xml" }, "422 VALIDATION_FAILED contentType=NOT_ALLOWED"],
    [{ contentType: "constructor" }, "422 VALIDATION_FAILED contentType=NOT_ALLOWED"],
    [{ contentType: "application/pdf", purpose: "avatar" }, "422 VALIDATION_FAILED contentType=NOT_ALLOWED"],
    [{ contentType: "application/zip", purpose: "logo" }, "422 VALIDATION_FAILED contentType=NOT_ALLOWED"],
    [{ size: 5 * 2 ** 20 + 1 }, "422 VALIDATION_FAILED size=TOO_LARGE"],
    [{ contentType: "application/pdf", size: 20 * 2 ** 20 + 1 }, "422 VALIDATION_FAILED size=TOO_LARGE"],
    [{ size: 0 }, "422 VALIDATION_FAILED size=TOO_SMALL"],
    [{ name: "" }, "422 VALIDATION_FAILED name=TOO_SHORT"],
    [{ name: "x".repeat(256) }, "422 VALIDATION_FAILED name=TOO_LONG"],
    [{ purpose: "banner" }, "422 VALIDATION_FAILED purpose=NOT_ALLOWED"],
    [{ size: 5 * 2 ** 20 }, "201"],
    [{ contentType: "application/pdf", size: 20 * 2 ** 20, purpose: "activity" }, "201"],
  ])("%j: %s", async (announcement, outcome) => {
    expect(await announcing(announcement)).toBe(outcome);
  });

  test("needs somebody", async () => {
    expect(await announcing({}, null)).toBe("401 UNAUTHENTICATED");
  });

  test.each([
    ["../../etc/passwd", "passwd.png"],
    ["evil\u202egnp.exe", "evilgnp.exe.png"],
    ["CON.png", "_CON.png"],
    ["社".repeat(200), `${"社".repeat(83)}.png`],
  ])("is kept under a name that harms nobody: %j", async (name, kept) => {
    expect((await depot.announce(ada, red, { name })).file.name).toBe(kept);
  });

  test("at most a hundred of a person wait for their uploads, also when they come at once", async () => {
    const cleo = await depot.federation.register();
    const outcomes = await Promise.all(Array.from({ length: 105 }, () => announcing({}, cleo)));
    expect(outcomes.filter((each) => each === "201")).toHaveLength(100);
    expect(outcomes.filter((each) => each === "409 TOO_MANY_UPLOADS")).toHaveLength(5);
    expect(await announcing({}, ben)).toBe("201");
  });

  test("a person's files have two gigabytes", async () => {
    const dan = await depot.federation.register();
    const { file } = await depot.announce(dan, red);
    const { db } = depot.files;
    const size = 2 * 2 ** 30 - 15;
    await db.primary.run("UPDATE files SET size = :size WHERE id = :id", { size, id: file.id });
    expect(await announcing({ size: 16 }, dan)).toBe("409 FILE_SPACE_FULL");
    expect(await announcing({ size: 15 }, dan)).toBe("201");
    expect(await announcing({ size: 1 }, dan)).toBe("409 FILE_SPACE_FULL");
    expect(await depot.outcome("DELETE", `/files/${file.id}`, dan)).toBe("204");
    expect(await announcing({ size: 16 }, dan)).toBe("201");
  });
});

describe("an upload", () => {
  test("of another type, or without the signature, is refused, and nothing is kept", async () => {
    const announced = await depot.announce(ada, red);
    expect((await depot.send(announced, red, { "content-type": "text/html" })).status).toBe(415);
    expect((await depot.send(announced, Buffer.concat([red, red]))).status).toBe(400);
    expect((await depot.send(announced, red.subarray(1))).status).toBe(400);
    const { upload } = announced;
    const forged = { ...announced, upload: { ...upload, url: `${upload.url.slice(0, -3)}abc` } };
    expect((await depot.send(forged, red)).status).toBe(403);
    expect((await patientFetch(depot.at(upload.url))).status).toBe(403);
    expect((await patientFetch(depot.at(upload.url), { method: "DELETE" })).status).toBe(405);
    expect(await completing(announced.file.id)).toBe("422 UPLOAD_MISSING");
    expect((await depot.send(announced, red)).status).toBe(200);
    expect(await completing(announced.file.id)).toBe("200");
  });

  test("whose length nobody knows beforehand is counted", async () => {
    const announced = await depot.announce(ada, red);
    const chunked = (bytes: Buffer) =>
      new Promise<number>((resolve) => {
        const headers = { "content-type": "image/png", "transfer-encoding": "chunked" };
        const sent = request(depot.at(announced.upload.url), { method: "PUT", headers }, (res) =>
          resolve(res.resume().statusCode ?? 0),
        );
        sent.on("error", () => resolve(0));
        sent.write(bytes.subarray(0, 10));
        sent.end(bytes.subarray(10));
      });
    expect(await chunked(Buffer.concat([red, red]))).toBe(400);
    expect(await chunked(red.subarray(1))).toBe(400);
    expect(await completing(announced.file.id)).toBe("422 UPLOAD_MISSING");
    expect(await chunked(red)).toBe(200);
    expect(await completing(announced.file.id)).toBe("200");
  });

  test("that breaks off leaves nothing behind", async () => {
    const announced = await depot.announce(ada, red);
    const begin = () => {
      const sent = request(depot.at(announced.upload.url), {
        method: "PUT",
        headers: announced.upload.headers,
      });
      sent.on("error", () => undefined);
      sent.write(red.subarray(0, 20));
      return sent;
    };
    const all = Array.from({ length: 5 }, begin);
    const incoming = () =>
      readdir(path.join(runtimeOf(depot.federation.broker).settings.filesDir, "incoming"));
    await eventually(async () => (await incoming()).length === 5 || undefined);
    for (const sent of all) sent.destroy();
    await eventually(async () => (await incoming()).length === 0 || undefined);
    expect(await completing(announced.file.id)).toBe("422 UPLOAD_MISSING");
    // The address is good until it has been used, or its time is over.
    expect((await depot.send(announced, red)).status).toBe(200);
    expect(await completing(announced.file.id)).toBe("200");
  });

  test("sent twice is the later one, until it is complete: then nothing changes any more", async () => {
    const [first, second] = [Buffer.from("first."), Buffer.from("second")];
    const announced = await depot.announce(ada, first, { name: "a.txt", contentType: "text/plain" });
    const { id } = announced.file;
    for (const bytes of [first, second]) expect((await depot.send(announced, bytes)).status).toBe(200);
    await depot.complete(ada, id);
    expect(await (await depot.fetch(ada, id)).text()).toBe("second");
    expect((await depot.send(announced, first)).status).toBe(200);
    expect(await depot.complete(ada, id)).toMatchObject({ status: "ready" });
    expect(await (await depot.fetch(ada, id)).text()).toBe("second");
  });
});

describe("completion", () => {
  const upload = async (bytes: Buffer, contentType: string): Promise<Announced> => {
    const announced = await depot.announce(ada, bytes, { contentType });
    expect((await depot.send(announced, bytes)).status).toBe(200);
    return announced;
  };

  test.each([
    ["a zip as png", "image/png", zipOf({ "a.png": "x" })],
    ["an svg as png", "image/png", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ["html as pdf", "application/pdf", Buffer.from("<script>alert(1)</script>")],
    ["a zip as docx", DOCX, zipOf({ "readme.txt": "x" })],
    ["bytes as text", "text/plain", Buffer.from([0, 1, 2, 255])],
    ["half a picture", "image/png", Buffer.from("\u0089PNG\r\n\u001a\n\0\0\0", "latin1")],
  ])("%s is refused and deleted", async (_, contentType, bytes) => {
    const announced = await upload(bytes, contentType);
    const { id } = announced.file;
    expect(await completing(id)).toBe("422 WRONG_FILE");
    expect(await depot.files.storage.list(`uploads/${id}`)).toEqual([]);
    expect(await completing(id)).toBe("422 UPLOAD_MISSING");
  });

  test("a picture of too many pixels is refused and deleted", async () => {
    const bytes = await sharp({ create: { width: 9_000, height: 9_000, channels: 3, background: "red" } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    const { id } = (await upload(bytes, "image/png")).file;
    expect(await completing(id)).toBe("422 PICTURE_TOO_LARGE");
    expect(await completing(id)).toBe("422 UPLOAD_MISSING");
  }, 60_000);

  test("keeps no trace of the camera", async () => {
    const bytes = await sharp(await picture(60, 40, "jpeg"))
      .withExif({ IFD0: { Copyright: "Dormitory 7" } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect((await sharp(bytes).metadata()).exif).toBeDefined();
    const file = await depot.upload(ada, bytes, { contentType: "image/jpeg", name: "a.jpg" });
    expect(file).toMatchObject({ width: 40, height: 60 });
    const got = Buffer.from(await (await depot.fetch(ada, file.id)).arrayBuffer());
    expect((await sharp(got).metadata()).exif).toBeUndefined();
  });

  test.each([
    ["avatar", 512],
    ["activity", 2_048],
  ])("makes a picture for %s at most %d wide", async (purpose, width) => {
    const file = await depot.upload(ada, await picture(3_000, 300), { purpose });
    expect(file.width).toBe(width);
  });

  test("of two at once, and of five, one does the work and all have it", async () => {
    const announced = await upload(await picture(1_500), "image/png");
    const all = await Promise.all(Array.from({ length: 5 }, () => depot.complete(ada, announced.file.id)));
    expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(await depot.files.storage.list(`post/${announced.file.id}/`)).toHaveLength(1);
    expect(await depot.files.storage.list(`uploads/${announced.file.id}`)).toEqual([]);
  });

  test("is the owner's alone", async () => {
    const { id } = (await upload(red, "image/png")).file;
    expect(await completing(id, ben)).toBe("404 NOT_FOUND");
    expect(await completing(id, null)).toBe("401 UNAUTHENTICATED");
    expect(await completing(newId())).toBe("404 NOT_FOUND");
    expect(await completing(id)).toBe("200");
    expect(await completing(id, ben)).toBe("404 NOT_FOUND");
  });

  test("what a process took up and died of is done by the next one", async () => {
    const { id } = (await upload(red, "image/png")).file;
    const { db } = depot.files;
    const until = Date.now() + 1_500;
    await db.primary.run("UPDATE files SET lease = :lease, lease_until = :until WHERE id = :id", {
      id,
      until,
      lease: newId(),
    });
    expect(await completing(id)).toBe("200");
    expect(Date.now()).toBeGreaterThanOrEqual(until);
  });
});

describe("fetching", () => {
  test("a document is saved under its name, a picture and a PDF are shown, and nothing runs", async () => {
    const name = `计划 "A"; (1)'.docx`;
    const document = officeOf("word/document.xml");
    const docx = await depot.upload(ada, document, { name, contentType: DOCX });
    const saved = await depot.fetch(ada, docx.id);
    expect(Buffer.from(await saved.arrayBuffer())).toEqual(document);
    const header = saved.headers.get("content-disposition") as string;
    expect(header).toMatch(/^attachment; filename="[ -~]+"; filename\*=UTF-8''[\w%.~-]+$/);
    expect(decodeURIComponent(header.split("''")[1] as string)).toBe(docx.name);
    const pdf = await depot.upload(ada, PDF, { name: "a.pdf", contentType: "application/pdf" });
    const shown = await depot.fetch(ada, pdf.id);
    expect(shown.headers.get("content-disposition")).toMatch(/^inline; /);
    for (const { headers } of [saved, shown])
      expect([headers.get("x-content-type-options"), headers.get("content-security-policy")]).toEqual([
        "nosniff",
        "default-src 'none'; sandbox; frame-ancestors 'none'",
      ]);
    await shown.arrayBuffer();
  });

  test("in parts", async () => {
    const { id } = await depot.upload(ada, PDF, { name: "a.pdf", contentType: "application/pdf" });
    const address = await depot.address(ada, id);
    const part = async (range: string, more: Record<string, string> = {}) => {
      const answer = await patientFetch(address, { headers: { range, ...more } });
      const bytes = Buffer.from(await answer.arrayBuffer());
      return {
        status: answer.status,
        range: answer.headers.get("content-range"),
        bytes,
        headers: answer.headers,
      };
    };
    const size = PDF.length;
    expect(await part("bytes=2-5")).toMatchObject({
      status: 206,
      range: `bytes 2-5/${size}`,
      bytes: PDF.subarray(2, 6),
    });
    expect(await part("bytes=9000-")).toMatchObject({ status: 206, bytes: PDF.subarray(9_000) });
    expect(await part("bytes=-7")).toMatchObject({ status: 206, bytes: PDF.subarray(-7) });
    expect(await part("bytes=0-999999")).toMatchObject({ status: 206, bytes: PDF });
    expect(await part(`bytes=${size}-`)).toMatchObject({ status: 416, range: `bytes */${size}` });
    expect(await part("bytes=-0")).toMatchObject({ status: 416 });
    for (const whole of ["bytes=0-1,4-5", "bytes=5-2", "lines=1-2", "bytes=-", "bytes=x-"])
      expect(await part(whole)).toMatchObject({ status: 200, bytes: PDF, range: null });
    const tag = (await part("bytes=0-0")).headers.get("etag") as string;
    expect(await part("bytes=0-0", { "if-range": tag })).toMatchObject({ status: 206 });
    expect(await part("bytes=0-0", { "if-range": '"other"' })).toMatchObject({ status: 200, bytes: PDF });
    const known = await patientFetch(address, { headers: { "if-none-match": tag } });
    expect([known.status, await known.text()]).toEqual([304, ""]);
    const head = await patientFetch(address, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), head.headers.get("accept-ranges")]).toEqual([
      200,
      String(size),
      "bytes",
    ]);
  });

  test("is kept by shared caches only where everybody may see it", async () => {
    const avatar = await depot.upload(ada, red, { purpose: "avatar" });
    const own = await depot.upload(ada, red);
    const caching = async (id: string) => (await depot.fetch(ada, id)).headers.get("cache-control");
    expect(await caching(avatar.id)).toMatch(/^public, .*immutable/);
    expect(await caching(own.id)).toMatch(/^private, .*immutable/);
  });

  test.each(["x", "x.y", "eyJtZXRob2QiOiJHRVQifQ.AAAA", "..%2F..%2Fetc%2Fpasswd", "%00"])(
    "an address that is none: %s",
    async (token) => {
      const answer = await patientFetch(`${depot.federation.url}/blobs/${token}`);
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
        403,
        "LINK_NOT_VALID",
      ]);
    },
  );

  test("a client that goes away in the middle is nobody's trouble", async () => {
    const bytes = Buffer.from("社".repeat(5_000_000));
    const { id } = await depot.upload(ada, bytes, { name: "a.txt", contentType: "text/plain" });
    const address = await depot.address(ada, id);
    await new Promise<void>((resolve) => {
      const sent = request(address, (res) => {
        res.once("data", () => {
          sent.destroy();
          resolve();
        });
      });
      sent.on("error", () => undefined);
      sent.end();
    });
    expect(Buffer.from(await (await patientFetch(address)).arrayBuffer()).equals(bytes)).toBe(true);
  });
});

describe("other widths", () => {
  test("are made when they are asked for, once, and never larger", async () => {
    const { id } = await depot.upload(ada, await picture(800, 400), { purpose: "post" });
    const kept = () => depot.files.storage.list(`post/${id}/`);
    expect(await kept()).toHaveLength(1);
    const sizes = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const answer = await depot.fetch(ada, id, "?width=256");
        return sharp(Buffer.from(await answer.arrayBuffer())).metadata();
      }),
    );
    for (const size of sizes) expect(size).toMatchObject({ width: 256, height: 128, format: "png" });
    expect(await kept()).toHaveLength(2);
    const whole = await depot.fetch(ada, id, "?width=1024");
    expect(await sharp(Buffer.from(await whole.arrayBuffer())).metadata()).toMatchObject({ width: 800 });
    expect(await kept()).toHaveLength(2);
    for (const width of ["200", "x", "-64"])
      expect(await depot.outcome("GET", `/files/${id}?width=${width}`, ada)).toMatch(/^422 .*width=/);
  });

  test("a document has none", async () => {
    const { id } = await depot.upload(ada, PDF, { name: "a.pdf", contentType: "application/pdf" });
    expect(await depot.outcome("GET", `/files/${id}?width=64`, ada)).toBe(
      "422 VALIDATION_FAILED width=INVALID",
    );
  });
});

describe("who sees a file", () => {
  test("before it is complete its owner is told so, and nobody else anything", async () => {
    const { id } = (await depot.announce(ada, red, { purpose: "avatar" })).file;
    expect(await depot.outcome("GET", `/files/${id}`, ada)).toBe("409 FILE_NOT_READY");
    expect(await depot.outcome("GET", `/files/${id}`, ben)).toBe("404 NOT_FOUND");
    expect(await depot.outcome("GET", `/files/${id}`, null)).toBe("404 NOT_FOUND");
    expect(await depot.outcome("GET", `/files/${newId()}`, ada)).toBe("404 NOT_FOUND");
  });

  test("of a post: whoever sees one of the posts that show it", async () => {
    const { id } = await depot.upload(ada, red);
    const see = (person: Person | null) => depot.outcome("GET", `/files/${id}`, person);
    expect([await see(ada), await see(ben), await see(null)]).toEqual([
      "302",
      "404 NOT_FOUND",
      "404 NOT_FOUND",
    ]);
    const show = async (readers: string[] | null) => {
      const post = newId();
      depot.posts.set(post, { fileIds: [id], readers });
      const claim = { subject: { type: "post", id: post }, user: ada.id, purpose: "post", fileIds: [id] };
      expect(await depot.federation.broker.call("files.claim", claim)).toEqual({ refused: [] });
      return post;
    };
    await show([ben.id]);
    const cleo = await depot.federation.register();
    expect([await see(ben), await see(cleo), await see(null)]).toEqual([
      "302",
      "404 NOT_FOUND",
      "404 NOT_FOUND",
    ]);
    const post = await show(null);
    expect([await see(cleo), await see(null)]).toEqual(["302", "302"]);
    expect(await depot.outcome("DELETE", `/files/${id}`, ben)).toBe("403 FORBIDDEN");
    depot.posts.delete(post);
    expect([await see(ben), await see(null)]).toEqual(["302", "404 NOT_FOUND"]);
  });

  test("when posts cannot be asked nobody is told that there is nothing", async () => {
    const { id } = await depot.upload(ada, red);
    const post = newId();
    depot.posts.set(post, { fileIds: [id], readers: null });
    const claim = { subject: { type: "post", id: post }, user: ada.id, purpose: "post", fileIds: [id] };
    await depot.federation.broker.call("files.claim", claim);
    depot.away.add("posts");
    // However many ask, it is no trouble for who needs nothing of posts.
    for (let n = 0; n < 20; n++)
      expect(await depot.outcome("GET", `/files/${id}`, ben)).toBe("503 UNAVAILABLE");
    expect(await depot.outcome("GET", `/files/${id}`, ada)).toBe("302");
    depot.away.clear();
    await eventually(async () => (await depot.outcome("GET", `/files/${id}`, ben)) === "302" || undefined);
  });
});

test("deleting takes the file with all its objects", async () => {
  const { id } = await depot.upload(ada, await picture(300), { purpose: "avatar" });
  await depot.fetch(null, id, "?width=64");
  const address = await depot.address(null, id);
  expect(await depot.files.storage.list(`avatar/${id}/`)).toHaveLength(2);
  expect(await depot.outcome("DELETE", `/files/${id}`, ben)).toBe("403 FORBIDDEN");
  expect(await depot.outcome("DELETE", `/files/${id}`, ada)).toBe("204");
  expect(await depot.files.storage.list(`avatar/${id}/`)).toEqual([]);
  expect((await patientFetch(address)).status).toBe(404);
  expect(await depot.outcome("GET", `/files/${id}`, ada)).toBe("404 NOT_FOUND");
  expect(await depot.outcome("DELETE", `/files/${id}`, ada)).toBe("404 NOT_FOUND");
  expect(await completing(id)).toBe("404 NOT_FOUND");
});

test("completing and deleting at once leaves all or nothing", async () => {
  for (let n = 0; n < 5; n++) {
    const bytes = await picture(400 + n);
    const announced = await depot.announce(ada, bytes);
    await depot.send(announced, bytes);
    const { id } = announced.file;
    const [, removed] = await Promise.all([completing(id), depot.outcome("DELETE", `/files/${id}`, ada)]);
    expect(removed).toBe("204");
    await eventually(async () => {
      const left = await depot.files.storage.list(`post/${id}/`);
      return left.length === 0 || undefined;
    });
  }
});

test("an export names one's files", async () => {
  const eve = await depot.federation.register();
  const { id } = await depot.upload(eve, red, { name: "mine.png" });
  const page = await depot.federation.broker.call("files.exportUser", { user: eve.id, cursor: null });
  expect(page).toMatchObject({
    records: [{ kind: "file", id, name: "mine.png", status: "ready", purpose: "post" }],
    nextCursor: null,
  });
});
