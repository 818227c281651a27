/** A word list as it comes: the JSON of a request's body, read and checked. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { invalid, isRefusal } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { readJson } from "../../lib/json-body.ts";
import { normalize } from "../../lib/moderation/filter.ts";
import { compileCheck } from "../../lib/validate.ts";
import { MAX_WORDS, moderation, Word } from "./moderation.contract.ts";

const { limit: MAX_BYTES } = moderation.actions.replaceWords.body;
/** Words between two chances to do something else. */
const SLICE = 500;
const MAX_ERRORS = 200;

const check = compileCheck(Word);

/** The words of a body; throws what is wrong with it. Those that are there twice with one action are kept once. */
export async function readWordList(body: unknown): Promise<Word[]> {
  const given = await readJson(body, MAX_BYTES);
  if (!Array.isArray(given)) throw invalid({ field: "", code: "WRONG_TYPE", values: { expected: "array" } });
  if (given.length > MAX_WORDS) throw invalid({ field: "", code: "TOO_MANY", values: { limit: MAX_WORDS } });
  const errors: FieldError[] = [];
  const words: Word[] = [];
  const actions = new Map<string, Word["action"]>();
  for (const [index, item] of given.entries()) {
    if (index % SLICE === 0) await nextTurn();
    const word = checked(item, index, errors);
    if (errors.length >= MAX_ERRORS) break;
    if (!word) continue;
    const key = normalize(word.word);
    const known = actions.get(key);
    if (key === "") errors.push({ field: `[${index}].word`, code: "INVALID" });
    else if (known === undefined) words.push(word);
    else if (known !== word.action) errors.push({ field: `[${index}].word`, code: "DUPLICATE" });
    if (known === undefined) actions.set(key, word.action);
  }
  if (errors.length > 0) throw invalid(...errors);
  return words;
}

function checked(item: unknown, index: number, errors: FieldError[]): Word | null {
  try {
    // What the check lets through is a word.
    return check(item) as Word;
  } catch (error) {
    if (!isRefusal(error, "VALIDATION_FAILED")) throw error;
    for (const each of error.data.errors ?? [])
      errors.push({ ...each, field: each.field ? `[${index}].${each.field}` : `[${index}]` });
    return null;
  }
}
