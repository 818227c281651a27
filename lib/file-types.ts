/** Which files people may upload, what they may be called, and what they really are by their bytes. */
import { isUtf8 } from "node:buffer";
import { fileTypeFromBuffer } from "file-type";
import { zipNames } from "./zip-names.ts";

interface FileType {
  kind: "picture" | "document";
  /** The first is given to a name that has none of them. */
  extensions: readonly [string, ...string[]];
}

const OFFICE = "application/vnd.openxmlformats-officedocument";

const TYPES: ReadonlyMap<string, FileType> = new Map<string, FileType>([
  ["image/png", { kind: "picture", extensions: ["png"] }],
  ["image/jpeg", { kind: "picture", extensions: ["jpg", "jpeg"] }],
  ["image/webp", { kind: "picture", extensions: ["webp"] }],
  ["image/gif", { kind: "picture", extensions: ["gif"] }],
  ["application/pdf", { kind: "document", extensions: ["pdf"] }],
  [`${OFFICE}.wordprocessingml.document`, { kind: "document", extensions: ["docx"] }],
  [`${OFFICE}.spreadsheetml.sheet`, { kind: "document", extensions: ["xlsx"] }],
  [`${OFFICE}.presentationml.presentation`, { kind: "document", extensions: ["pptx"] }],
  ["text/plain", { kind: "document", extensions: ["txt"] }],
  ["application/zip", { kind: "document", extensions: ["zip"] }],
]);

/** The part without which a zip is no such document. */
const MAIN_PART: ReadonlyMap<string, string> = new Map([
  [`${OFFICE}.wordprocessingml.document`, "word/document.xml"],
  [`${OFFICE}.spreadsheetml.sheet`, "xl/workbook.xml"],
  [`${OFFICE}.presentationml.presentation`, "ppt/presentation.xml"],
]);

const MIB = 1_048_576;
/** MiB. */
export interface SizeLimits {
  picture: number;
  document: number;
}

export type Purpose = "avatar" | "logo" | "post" | "activity";

/** Types that may be uploaded for a purpose. */
export function typesFor(purpose: Purpose): string[] {
  const pictures = purpose === "avatar" || purpose === "logo";
  return [...TYPES.keys()].filter((type) => !pictures || isPicture(type));
}

export function isPicture(contentType: string): boolean {
  return TYPES.get(contentType)?.kind === "picture";
}

/** Whether browsers may show it; everything else they save. */
export function isShown(contentType: string): boolean {
  return isPicture(contentType) || contentType === "application/pdf";
}

/** Bytes that a file of this type may have under these limits. @throws TypeError for a type that nobody may upload */
export function limitOf(contentType: string, limits: SizeLimits): number {
  const type = TYPES.get(contentType);
  if (!type) throw new TypeError(`${contentType} is no type that may be uploaded.`);
  return limits[type.kind] * MIB;
}

const MAX_NAME = 255;
/** Control and format characters (bidi, zero width), line and paragraph separators, what is no character. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Cn}]/gu;
const RESERVED_CHARACTERS = /[<>:"|?*]/g;
/** Of Windows, whatever follows after a dot. */
const RESERVED_NAME = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)/i;

/**
 * The name under which an uploaded file is kept and handed out: the last part of a path, without characters that hide
 * something or that a file system refuses, at most 255 bytes, ending as its type does.
 */
export function cleanName(name: string, contentType: string): string {
  const { extensions } = TYPES.get(contentType) ?? { extensions: ["bin"] as const };
  const last = name.normalize("NFC").split(/[/\\]/).at(-1) ?? "";
  const plain = trimmed(last.replace(HIDDEN, "").replace(RESERVED_CHARACTERS, "_"));
  const dot = plain.lastIndexOf(".");
  const given = dot < 0 ? "" : plain.slice(dot + 1).toLowerCase();
  const extension = extensions.find((each) => each === given) ?? extensions[0];
  const known = [...TYPES.values()].some((type) => type.extensions.includes(given));
  const stem = trimmed(known ? plain.slice(0, dot) : plain).replace(RESERVED_NAME, "_$&") || "file";
  return `${trimmed(cut(stem, MAX_NAME - 1 - extension.length))}.${extension}`;
}

/** Neither hidden by a dot in front, nor changed by a system that drops dots and spaces at the end. */
function trimmed(text: string): string {
  return text.replace(/^[\s.]+|[\s.]+$/gu, "");
}

/** As many whole characters as fit in so many bytes. */
function cut(text: string, bytes: number): string {
  let [end, used] = [0, 0];
  for (const character of text) {
    used += Buffer.byteLength(character);
    if (used > bytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Whether the bytes are of the type that was announced. */
export async function isReally(contentType: string, bytes: Buffer): Promise<boolean> {
  if (contentType === "text/plain") return isUtf8(bytes) && !bytes.includes(0);
  const part = MAIN_PART.get(contentType);
  if (part !== undefined || contentType === "application/zip") {
    const names = zipNames(bytes);
    if (names === null) return false;
    return part === undefined || isOffice(names, part);
  }
  const mime = (await fileTypeFromBuffer(bytes))?.mime;
  return mime === contentType || (mime === "image/apng" && contentType === "image/png");
}

/** A document of Office without macros. */
function isOffice(names: ReadonlySet<string>, part: string): boolean {
  const macros = [...names].some((name) => name.toLowerCase().endsWith("vbaproject.bin"));
  return names.has("[Content_Types].xml") && names.has(part) && !macros;
}
