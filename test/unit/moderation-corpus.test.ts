/** What the filter sees through, and what it leaves alone, by a corpus of both; see docs/moderation.md. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { WordFilter } from "../../lib/moderation/filter.ts";
import { LIST } from "./moderation/words.ts";

const filter = new WordFilter(LIST);

function linesOf(name: string): string[] {
  const file = path.join(import.meta.dirname, "moderation", `${name}.txt`);
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("# "));
}

const isCaught = (text: string): boolean => filter.check(text).action !== null;

test("disguised words are caught and innocent texts pass", () => {
  const disguised = linesOf("disguised");
  const innocent = linesOf("innocent");
  const missed = disguised.filter((text) => !isCaught(text));
  const wronged = innocent.filter(isCaught);
  const caught = disguised.length - missed.length;
  const precision = caught / (caught + wronged.length);
  console.log(
    `${disguised.length} disguised, ${innocent.length} innocent: ` +
      `recall ${(caught / disguised.length).toFixed(3)}, precision ${precision.toFixed(3)}`,
  );
  expect({ missed, wronged }).toEqual({ missed: [], wronged: [] });
  expect(disguised.length).toBeGreaterThanOrEqual(200);
  expect(innocent.length).toBeGreaterThanOrEqual(200);
});
