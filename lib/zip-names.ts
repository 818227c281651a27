/** The names in a zip (APPNOTE 6.3.10, 4.3): enough to tell a document of Office from another zip. */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_LENGTH = 22;
const MAX_COMMENT = 65_535;
const CENTRAL_LENGTH = 46;
const MAX_ENTRIES = 20_000;

/** The names of a zip that begins with its first entry; null for what is none, is spoilt, or has too many. */
export function zipNames(bytes: Buffer): ReadonlySet<string> | null {
  const end = endOf(bytes);
  if (end < 0) return null;
  const [count, start] = [bytes.readUInt16LE(end + 10), bytes.readUInt32LE(end + 16)];
  // Whatever is in front of the entries, a picture say, would make two files of one.
  const first = bytes.readUInt32LE(0);
  if (count === 0 ? end !== 0 : first !== LOCAL) return null;
  return count > MAX_ENTRIES ? null : namesFrom(bytes, start, end, count);
}

/** Where the record at the end stands: behind it there is nothing but its own comment. */
function endOf(bytes: Buffer): number {
  const lowest = Math.max(0, bytes.length - END_LENGTH - MAX_COMMENT);
  for (let at = bytes.length - END_LENGTH; at >= lowest; at--)
    if (bytes.readUInt32LE(at) === END && at + END_LENGTH + bytes.readUInt16LE(at + 20) === bytes.length)
      return at;
  return -1;
}

function namesFrom(bytes: Buffer, start: number, end: number, count: number): ReadonlySet<string> | null {
  const names = new Set<string>();
  let at = start;
  for (let n = 0; n < count; n++) {
    if (at + CENTRAL_LENGTH > end || bytes.readUInt32LE(at) !== CENTRAL) return null;
    const [name, extra, comment] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    names.add(bytes.toString("utf8", at + CENTRAL_LENGTH, at + CENTRAL_LENGTH + name));
    at += CENTRAL_LENGTH + name + extra + comment;
  }
  return at === end ? names : null;
}
