/**
 * `npm run keys -- rotate FILE [--admin]`: the next step of replacing the signing keys in FILE, a JWK set as JWT_KEYS (with
 * --admin: ADMIN_JWT_KEYS) takes it. After each step it says what to restart; docs/rotation.md.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { parseArgs } from "node:util";
import { newId } from "../lib/ids.ts";
import { nextStep } from "../lib/key-rotation.ts";
import type { Step } from "../lib/key-rotation.ts";
import { parseKeySet } from "../lib/keys.ts";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { explainStore, storeFile } from "../mixins/database.ts";
import { resealAll } from "../services/admin/totp-sealing.ts";
import { Sealer } from "../services/admin/totp.ts";
import { withDatabase } from "./backup/places.ts";
import { runCommand } from "./run-command.ts";

const USAGE = "Usage: npm run keys -- rotate FILE [--admin]";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { admin: { type: "boolean", default: false } },
  });
  const [command, file, ...more] = positionals;
  if (command !== "rotate" || !file || more.length > 0) throw new SettingsError(USAGE);
  const text = read(file);
  const step = stepOf(text, file);
  // Before the key goes that has encrypted them.
  if (step.step === "removed" && values.admin) await reseal(text, file);
  if (step.step !== "wait") replace(file, JSON.stringify(step.set));
  process.stdout.write(`${tell(step, values.admin ? "admin" : "users")}\n`);
}

function stepOf(text: string, file: string): Step {
  try {
    return nextStep(text, file, Date.now());
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

async function reseal(text: string, file: string): Promise<void> {
  const settings = readSettings(readEnvironment());
  try {
    const changed = await withDatabase(settings, "admin", (db) =>
      resealAll(db, new Sealer(parseKeySet(text, file))),
    );
    process.stdout.write(`${changed} second factors are encrypted with the new key.\n`);
  } catch (error) {
    throw explainStore(error, storeFile(settings, "admin"));
  }
}

function tell(step: Step, domain: "users" | "admin"): string {
  const restart = `Put the file where the nodes of ${domain} have it, and restart these one after another.`;
  switch (step.step) {
    case "added":
      return `Step 1 of 3: a new key is in the set, and does not sign yet. ${restart} Then, after five minutes, run this again.`;
    case "signs":
      return `Step 2 of 3: the new key signs, the old one still verifies. ${restart} Then, after an hour, run this again.`;
    case "removed":
      return `Step 3 of 3: ${step.removed.length} old keys are out of the set. ${restart}${
        domain === "admin"
          ? " Audit checkpoints that they have signed can be checked only with them: keep them in the safe."
          : ""
      }`;
    case "wait":
    default:
      return `Nothing is changed: ${
        step.why === "known"
          ? "the new key must first be known to every node"
          : "what the old key has signed is good for an hour"
      }. Run this again after ${new Date(step.until).toISOString()}.`;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new SettingsError(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}): it takes the file of a JWK set, as \`npm run admin -- keys\` prints one.`,
    );
  }
}

/** The old set or the new one, whatever happens. */
function replace(file: string, content: string): void {
  const draft = `${file}.${newId()}.tmp`;
  try {
    const handle = openSync(draft, "wx", statSync(file).mode & 0o777);
    try {
      writeFileSync(handle, content);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

runCommand(main);
