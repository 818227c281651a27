/** CSV as others write it: in UTF-8 or GB18030, with or without BOM, any line ends; read without holding the process up. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { CsvError, parse } from "csv-parse";
import { AppError } from "./errors.ts";

export type Charset = "utf-8" | "gb18030";

/** Characters of a row; more is a quotation mark that never closes. */
const LONGEST_ROW = 1_048_576;
/** Bytes that are read before others get their turn. */
const SLICE = 65_536;
/** Of UTF-16, which no decoder here takes and GB18030 would make characters of. */
const UTF_16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];

/**
 * The encoding of a text: UTF-8 when its bytes are that, else GB18030.
 * @throws IMPORT_ENCODING when it is neither
 */
export async function charsetOf(chunks: readonly Buffer[]): Promise<Charset> {
  const head = Buffer.concat(chunks.slice(0, 2));
  if (UTF_16.some((mark) => head.subarray(0, 2).equals(mark))) throw new AppError("IMPORT_ENCODING");
  for (const charset of ["utf-8", "gb18030"] as const) if (await isIn(charset, chunks)) return charset;
  throw new AppError("IMPORT_ENCODING");
}

async function isIn(charset: Charset, chunks: readonly Buffer[]): Promise<boolean> {
  try {
    for (const _text of textsOf(chunks, charset)) await nextTurn();
    return true;
  } catch {
    return false;
  }
}

/** The text of some bytes, in pieces, without its BOM. @throws IMPORT_ENCODING where they are of another encoding */
export function* textsOf(chunks: readonly Buffer[], charset: Charset): Generator<string> {
  const decoder = new TextDecoder(charset, { fatal: true });
  const decode = (bytes?: Buffer): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch {
      throw new AppError("IMPORT_ENCODING");
    }
  };
  for (const chunk of chunks)
    for (let from = 0; from < chunk.length; from += SLICE) yield decode(chunk.subarray(from, from + SLICE));
  yield decode();
}

/**
 * Rows of a document, the heading among them, in as many portions as the text comes in. Empty lines are no rows.
 * @throws IMPORT_MALFORMED with the row, counted without the heading, whose quotes are wrong
 */
export async function* csvRows(texts: Iterable<string>): AsyncGenerator<string[][]> {
  let rows: string[][] = [];
  let count = 0;
  const parser = parse({
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    record_delimiter: ["\r\n", "\n", "\r"],
    max_record_size: LONGEST_ROW,
  });
  const failed = new Promise<never>((_resolve, reject) => parser.once("error", reject));
  failed.catch(() => undefined);
  parser.on("data", (row: string[]) => rows.push(row));
  const portion = (): string[][] => {
    const taken = rows;
    rows = [];
    count += taken.length;
    return taken;
  };
  const written = (text: string): Promise<void> =>
    new Promise((resolve) => parser.write(text, () => resolve()));
  try {
    for (const text of texts) {
      if (text === "") continue;
      await Promise.race([failed, written(text)]);
      // What was read arrives in between.
      await nextTurn();
      if (rows.length > 0) yield portion();
    }
    const ended = new Promise<void>((resolve) => parser.once("end", resolve));
    parser.end();
    await Promise.race([failed, ended]);
    yield portion();
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new AppError("IMPORT_MALFORMED", { row: count + rows.length });
  } finally {
    parser.destroy();
  }
}
