/** CSV as the contract writes it: UTF-8 with BOM, RFC 4180, cells that a spreadsheet would run as formulas defused. */

/** One document: a heading and rows; null is an empty cell. */
export function toCsv(
  heading: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  return `\uFEFF${[heading, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  const text = String(value);
  // https://owasp.org/www-community/attacks/CSV_Injection
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
