/**
 * `npm run backup -- TO [--keep 14] [--recipients FILE] [--push URL]`: every store, by the same settings as the nodes.
 * TO is a folder or s3://bucket/prefix. `--erased-only`: the list of who was erased alone, every few minutes.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { Database } from "../lib/database.ts";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { connect } from "../mixins/database.ts";
import { writeErasedList } from "./backup/erasures.ts";
import { keepNewest } from "./backup/keeping.ts";
import { makeBackup } from "./backup/make.ts";
import { openEmbedded } from "./backup/embedded.ts";
import { amount, Progress } from "./backup/progress.ts";
import { pushBackup } from "./backup/pushing.ts";
import type { Erased } from "./backup/snapshot.ts";
import { openTarget } from "./backup/target.ts";
import { runCommand } from "./run-command.ts";
import type { Settings } from "../lib/settings.ts";

const USAGE =
  "Usage: npm run backup -- FOLDER|s3://bucket/prefix [--keep 14] [--recipients FILE] [--push URL] | --erased-only";

interface Wanted {
  to: string;
  keep: number | null;
  recipients: string[];
  push: string | undefined;
  erasedOnly: boolean;
}

function wantedOf(args: string[]): Wanted {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      keep: { type: "string" },
      recipients: { type: "string" },
      push: { type: "string" },
      "erased-only": { type: "boolean", default: false },
    },
  });
  const [to, ...more] = positionals;
  if (!to || more.length > 0) throw new SettingsError(USAGE);
  const keep = values.keep === undefined ? null : Number(values.keep);
  if (keep !== null && !(Number.isInteger(keep) && keep >= 1))
    throw new SettingsError(`--keep is "${values.keep}" but takes how many backups are kept, from 1.`);
  const { push } = values;
  if (push !== undefined && !URL.canParse(push))
    throw new SettingsError(`--push is "${push}" but takes the address of a Pushgateway.`);
  return {
    to,
    keep,
    recipients: values.recipients === undefined ? [] : recipientsOf(values.recipients),
    push,
    erasedOnly: values["erased-only"],
  };
}

/** One a line, as age-keygen prints them; lines with # are comments. */
function recipientsOf(file: string): string[] {
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch (error) {
    throw new SettingsError(
      `--recipients ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): it takes a file with public keys of age.`,
    );
  }
  const found = lines.map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
  if (found.length === 0 || !found.every((each) => /^age1[a-z0-9]+$/.test(each)))
    throw new SettingsError(
      `--recipients ${file} takes public keys of age, one a line, each beginning with age1.`,
    );
  return found;
}

async function main(): Promise<void> {
  const wanted = wantedOf(process.argv.slice(2));
  const settings = readSettings(readEnvironment());
  const target = await openTarget(wanted.to);
  const progress = new Progress();
  try {
    if (wanted.erasedOnly) {
      const erased = await erasedIn(settings);
      const name = await writeErasedList(target, erased, Date.now());
      return progress.say(`${name}: ${erased.length} people were erased within the last 30 days.`);
    }
    if (wanted.recipients.length === 0)
      progress.say("It is not encrypted, and has personal data: --recipients FILE encrypts it.");
    const { version } = JSON.parse(
      readFileSync(path.join(import.meta.dirname, "..", "package.json"), "utf8"),
    ) as { version: string };
    const manifest = await makeBackup({
      settings,
      target,
      recipients: wanted.recipients,
      version,
      progress,
    });
    if (wanted.keep !== null)
      for (const id of await keepNewest(target, wanted.keep, Date.now())) progress.say(`${id}: deleted`);
    const size = manifest.stores.reduce((sum, { part }) => sum + part.size, 0);
    const took = ((manifest.endedAt - manifest.startedAt) / 1000).toFixed(1);
    progress.say(`Backup ${manifest.id}: ${amount(size)} in ${took} s.`);
    if (manifest.audit.checkpoint)
      progress.say(`Audit checkpoint, to be kept elsewhere: ${manifest.audit.checkpoint}`);
    const untold = wanted.push === undefined ? null : await pushBackup(wanted.push, manifest);
    // No failure: whoever runs this would make the backup again. The alert on a missing one tells.
    if (untold) process.stderr.write(`${untold}\n`);
  } finally {
    progress.stop();
    target.close();
  }
}

/** Of the last 30 days, by the messages about them, which are few beside the people. */
async function erasedIn(settings: Settings): Promise<Erased[]> {
  if (!settings.sqlUrls.users) {
    const [users] = openEmbedded(settings, ["users"]);
    if (!users) throw new SettingsError(`There is nothing of users in DATA_DIR "${settings.dataDir}".`);
    try {
      return await users.erased();
    } finally {
      await users.close();
    }
  }
  const db = new Database(connect(settings, "users"));
  try {
    return await db.primary.all<Erased>(
      "SELECT user_id AS id, MAX(created_at) AS at FROM outbox WHERE type = 'users.erased' GROUP BY user_id",
    );
  } finally {
    await db.sequelize.close();
  }
}

runCommand(main);
