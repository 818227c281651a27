/** Brings spellings that people hold for the same to one form. */

/** Combining marks of Latin, Greek and Cyrillic; variation selectors; invisible format characters; apostrophes. */
const DROPPED = /[\u0300-\u036f\ufe00-\ufe0f\p{Cf}'’‘ʼ`]/gu;
/** Letters that carry their accent without a decomposition in Unicode. */
export const PLAIN: Record<string, string> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  ı: "i",
};
const CACHED_CHARACTERS = 10_000;

const cache = new Map<string, string>();

function foldCharacter(character: string): string {
  const code = character.charCodeAt(0);
  // Most of Chinese text: nothing to do, and no room taken in the cache.
  if (code >= 0x4e00 && code <= 0x9fff) return character;
  const known = cache.get(character);
  if (known !== undefined) return known;
  const lower = character.normalize("NFKD").replace(DROPPED, "").toLowerCase().normalize("NFC");
  const folded = PLAIN[lower] ?? lower;
  if (cache.size < CACHED_CHARACTERS) cache.set(character, folded);
  return folded;
}

/**
 * Text without case, accents, full width, compatibility forms, apostrophes and invisible characters. Works code
 * point by code point, so that {@link foldWithPositions} can tell where each folded character came from.
 */
export function fold(text: string): string {
  // One pass in the engine; only what may change is looked at.
  return text.replace(/[A-Z'`]|[^\0-\x7f\u4e00-\u9fff]/gu, foldCharacter);
}

export interface FoldedText {
  text: string;
  /** For each UTF-16 unit of `text` the offset in the source it came from; one more entry with the source's length. */
  at: number[];
}

/** As {@link fold}, with the way back to the source. */
export function foldWithPositions(source: string): FoldedText {
  let text = "";
  const at: number[] = [];
  let offset = 0;
  for (const character of source) {
    const folded = foldCharacter(character);
    text += folded;
    for (let i = 0; i < folded.length; i++) at.push(offset);
    offset += character.length;
  }
  at.push(source.length);
  return { text, at };
}
