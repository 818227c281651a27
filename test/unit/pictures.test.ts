import sharp from "sharp";
import { deflateSync, crc32 } from "node:zlib";
import { BrokenPicture, cleanPicture, HugePicture, resizePicture } from "../../lib/pictures.ts";
import { zipOf } from "../support/zips.ts";

const FORMATS = ["png", "jpeg", "webp", "gif"] as const;
const make = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "red" } });

/** A picture of some frames, each of its own grey. */
function animation(frames: number, width = 40, height = 20): Promise<Buffer> {
  const raw = Buffer.concat(
    Array.from({ length: frames }, (_, n) => Buffer.alloc(width * height * 3, (n * 40) % 256)),
  );
  return sharp(raw, { raw: { width, height: height * frames, channels: 3, pageHeight: height } })
    .gif({ delay: Array.from({ length: frames }, () => 100), interFrameMaxError: 0 })
    .toBuffer();
}

/** A PNG that says it has this size, in a few bytes. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(1_000_000));
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", head),
    chunk("IDAT", rows),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

test.each(FORMATS)("a %s is made small enough, and stays what it is", async (format) => {
  const bytes = await make(3_000, 1_500).toFormat(format).toBuffer();
  const clean = await cleanPicture(bytes, `image/${format}`, 2_048);
  expect(clean).toMatchObject({ width: 2_048, height: 1_024 });
  expect(await sharp(clean.bytes).metadata()).toMatchObject({ format, width: 2_048, height: 1_024 });
  expect(
    await cleanPicture(await make(10, 5).toFormat(format).toBuffer(), `image/${format}`, 512),
  ).toMatchObject({
    width: 10,
    height: 5,
  });
});

test("nothing is left of what a camera says of place and time; how it was held is applied", async () => {
  const secret = "Dormitory 7";
  const bytes = await make(60, 40)
    .withExif({ IFD0: { Copyright: secret }, IFD3: { GPSLatitude: "39/1 54/1 0/1", GPSLatitudeRef: "N" } })
    .withMetadata({ orientation: 6 })
    .withXmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- ${secret} --></x:xmpmeta>`)
    .jpeg()
    .toBuffer();
  const before = await sharp(bytes).metadata();
  expect([before.orientation, before.exif !== undefined || before.xmp !== undefined]).toEqual([6, true]);
  expect(bytes.includes(secret)).toBe(true);
  const clean = await cleanPicture(bytes, "image/jpeg", 512);
  expect(clean).toMatchObject({ width: 40, height: 60 });
  const after = await sharp(clean.bytes).metadata();
  expect([after.exif, after.xmp, after.iptc, after.orientation]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(clean.bytes.includes(secret)).toBe(false);
});

test("what is hidden behind a picture does not come along", async () => {
  const bytes = Buffer.concat([await make(8, 8).png().toBuffer(), zipOf({ "hidden.txt": "a secret" })]);
  const { bytes: clean } = await cleanPicture(bytes, "image/png", 512);
  expect([bytes.includes("hidden.txt"), clean.includes("hidden.txt")]).toEqual([true, false]);
});

test("an animation stays one, also when it is made smaller", async () => {
  const bytes = await animation(4);
  const clean = await cleanPicture(bytes, "image/gif", 20);
  expect(clean).toMatchObject({ width: 20, height: 10 });
  expect((await sharp(clean.bytes, { animated: true }).metadata()).pages).toBe(4);
  const small = await resizePicture(clean.bytes, "image/gif", 10);
  expect(small).toMatchObject({ width: 10, height: 5 });
  expect((await sharp(small.bytes, { animated: true }).metadata()).pages).toBe(4);
});

test("too many pixels or frames are refused before anything is decoded", async () => {
  const [small, huge] = [bomb(1_000, 900), bomb(30_000, 30_000)];
  expect(huge.length).toBeLessThan(10_000);
  await expect(cleanPicture(huge, "image/png", 512)).rejects.toThrow(HugePicture);
  await expect(cleanPicture(await animation(201), "image/gif", 512)).rejects.toThrow(HugePicture);
  expect(await cleanPicture(await animation(200), "image/gif", 512)).toMatchObject({ width: 40 });
  // The same bytes with a size that is true are a picture.
  expect(await cleanPicture(small, "image/png", 512)).toMatchObject({ width: 512 });
});

test.each([
  ["text", "image/png", Buffer.from("no picture")],
  ["nothing", "image/png", Buffer.alloc(0)],
  ["an SVG", "image/png", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
])("%s is no picture", async (_, type, bytes) => {
  await expect(cleanPicture(bytes, type, 512)).rejects.toThrow(BrokenPicture);
});

test("a picture of another format, and one that is torn, are refused", async () => {
  const png = await sharp(Buffer.from(Array.from({ length: 30_000 }, (_, n) => (n * 7_919) % 251)), {
    raw: { width: 100, height: 100, channels: 3 },
  })
    .png()
    .toBuffer();
  await expect(cleanPicture(png, "image/jpeg", 512)).rejects.toThrow(BrokenPicture);
  await expect(cleanPicture(png.subarray(0, png.length / 2), "image/png", 512)).rejects.toThrow(
    BrokenPicture,
  );
  expect(await cleanPicture(png, "image/png", 512)).toMatchObject({ width: 100 });
});

test("many at once all get their turn", async () => {
  const bytes = await make(600, 600).jpeg().toBuffer();
  const all = await Promise.all(
    Array.from({ length: 12 }, (_, n) => cleanPicture(bytes, "image/jpeg", 50 + n)),
  );
  expect(all.map(({ width }) => width)).toEqual(Array.from({ length: 12 }, (_, n) => 50 + n));
  // A broken one among them gives its turn back.
  await expect(cleanPicture(Buffer.from("x"), "image/png", 9)).rejects.toThrow(BrokenPicture);
  expect(await cleanPicture(bytes, "image/jpeg", 9)).toMatchObject({ width: 9 });
});
