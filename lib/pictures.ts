/** Pictures of strangers: decoded and encoded anew, so that nothing is kept of a file but what is seen. */
import sharp from "sharp";

export interface Picture {
  bytes: Buffer;
  width: number;
  height: number;
}

/** 40 megapixels, all frames together: a small file may be a very large picture. */
const MAX_PIXELS = 40_000_000;
const MAX_FRAMES = 200;
const SECONDS = 20;
/** A decoded picture may have 160 MB. */
const AT_ONCE = 2;
const QUALITY = 85;

const FORMATS = {
  "image/png": "png",
  "image/jpeg": "jpeg",
  "image/webp": "webp",
  "image/gif": "gif",
} as const;

sharp.cache(false);
sharp.concurrency(1);
// What libvips could open beyond these (SVG, PDF, TIFF…) is not opened, whatever a file says that it is.
sharp.block({ operation: ["VipsForeignLoad"] });
sharp.unblock({
  operation: ["Png", "Jpeg", "Webp", "Nsgif"].flatMap((format) => [
    `VipsForeignLoad${format}Buffer`,
    `VipsForeignLoad${format}`,
  ]),
});

/** The bytes are no picture that can be decoded whole. */
export class BrokenPicture extends Error {
  override name = "BrokenPicture";
}

/** More pixels or frames than are decoded. */
export class HugePicture extends Error {
  override name = "HugePicture";
}

/**
 * The picture without metadata (its orientation applied), in the same format, no side longer than `side` pixels. An
 * animation stays one.
 * @throws BrokenPicture, HugePicture
 */
export function cleanPicture(bytes: Buffer, contentType: string, side: number): Promise<Picture> {
  return inTurn(() => encode(bytes, contentType, { width: side, height: side }));
}

/** The picture in another width; a narrower one stays as it is. */
export function resizePicture(bytes: Buffer, contentType: string, width: number): Promise<Picture> {
  return inTurn(() => encode(bytes, contentType, { width }));
}

async function encode(
  bytes: Buffer,
  contentType: string,
  box: { width: number; height?: number },
): Promise<Picture> {
  const format = FORMATS[contentType as keyof typeof FORMATS];
  try {
    await demandSize(bytes, format);
    const { data, info } = await sharp(bytes, {
      animated: true,
      limitInputPixels: MAX_PIXELS,
      failOn: "error",
    })
      .timeout({ seconds: SECONDS })
      .autoOrient()
      .resize({ ...box, fit: "inside", withoutEnlargement: true })
      .toFormat(format, format === "jpeg" || format === "webp" ? { quality: QUALITY } : {})
      .toBuffer({ resolveWithObject: true });
    return { bytes: data, width: info.width, height: info.pageHeight ?? info.height };
  } catch (error) {
    if (error instanceof HugePicture) throw error;
    throw new BrokenPicture((error as Error).message);
  }
}

/** Looks at what the file says of itself, which takes no memory, before anything is decoded. */
async function demandSize(bytes: Buffer, format: string): Promise<void> {
  const told = await sharp(bytes, { animated: true, limitInputPixels: false }).metadata();
  if (told.format !== format) throw new BrokenPicture(`It is ${told.format}.`);
  const pixels = told.width * (told.pageHeight ?? told.height) * (told.pages ?? 1);
  if (pixels > MAX_PIXELS || (told.pages ?? 1) > MAX_FRAMES) throw new HugePicture();
}

let running = 0;
const waiting: (() => void)[] = [];

/** Few at a time, in this process. */
async function inTurn<R>(work: () => Promise<R>): Promise<R> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
