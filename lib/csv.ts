/** CSV as the contract writes it: UTF-8 with BOM, RFC 4180, cells that a spreadsheet would run as formulas defused. */

/** One document: a heading and rows; null is an empty cell. */
export function toCsv(
  heading: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  return `\uFEFF${csvLines([heading, ...rows])}`;
}

/** Rows of a document whose beginning was written before. */
export function csvLines(rows: readonly (readonly (string | number | null)[])[]): string {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** What a cell of a document says that others have written; null where a spreadsheet would run it as a formula. */
export function readCell(text: string): string | null {
  if (FORMULA.test(text)) return null;
  return text.startsWith("'") && FORMULA.test(text.slice(1)) ? text.slice(1) : text;
}

/** https://owasp.org/www-community/attacks/CSV_Injection */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number | null): string {
  if (value === null) return "";
  const text = String(value);
  const safe = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
