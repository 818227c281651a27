/** What names and tags are compared and sorted by. */
import { createHash } from "node:crypto";
import { pinyin } from "pinyin-pro";

/** Bytes of a sort key: fits its column and a cursor. Names that agree so far are sorted by id. */
const SORT_KEY_BYTES = 240;

/**
 * The same for texts that differ in nothing but case, width, spaces or characters that show nothing. A hash, since
 * NFKC can make 18 characters of one and an index takes no key of that length.
 */
export function foldedKey(text: string): string {
  const folded = text
    .normalize("NFKC")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    // Upper case first: ß and SS, σ and ς become one.
    .toUpperCase()
    .toLowerCase()
    .replaceAll(/\s+/gu, " ")
    .trim();
  return createHash("sha256").update(folded).digest("hex");
}

/** Chinese by its pinyin, syllable by syllable, other scripts without case, accents and punctuation. */
export function sortKey(name: string): string {
  const spoken = pinyin(name, { toneType: "none", type: "array", nonZh: "consecutive", v: true }).join(" ");
  const words = spoken
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
  return cut(words, SORT_KEY_BYTES);
}

function cut(text: string, bytes: number): string {
  let size = 0;
  let end = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}
