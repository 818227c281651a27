/**
 * `npm run secrets -- DIR [--for compose|kubernetes] [--host NAME …]`: makes a folder with a file for each secret of a
 * federation on servers. What is there already stays as it is, so that it can be run again after an upgrade, but for what
 * the code says of who may talk to whom. `--host` names those under which browsers come, for a certificate that serves
 * until a real one is there.
 */
import { chmod, link, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { SettingsError } from "../lib/settings.ts";
import { runCommand } from "./run-command.ts";
import { makeAuthority, makeCertificate } from "./secrets/certificates.ts";
import { secretsOf } from "./secrets/list.ts";
import { PLACES } from "./secrets/places.ts";

const USAGE = "Usage: npm run secrets -- DIR [--for compose|kubernetes] [--host NAME …]";
/** Only its owner gets into the folder. The files are mounted one by one, into containers of several users. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o444;

interface Wanted {
  folder: string;
  place: keyof typeof PLACES;
  hosts: string[];
}

/** What a run has done. */
interface Made {
  names: string[];
  /** The code says something else than it did; what was there is NAME.before now. */
  renewed: string[];
  kept: number;
  toFillIn: { name: string; about: string }[];
}

export async function makeSecrets({ folder, place, hosts }: Wanted): Promise<Made> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  await chmod(folder, FOLDER_MODE);
  const made: Made = { names: [], renewed: [], kept: 0, toFillIn: [] };
  // Each file is whole before it has its name.
  const workshop = await mkdtemp(path.join(folder, ".new-"));
  const keep = async (name: string): Promise<void> => {
    const file = path.join(workshop, name);
    await chmod(file, FILE_MODE);
    await link(file, path.join(folder, name));
    made.names.push(name);
  };
  try {
    const values = new Map<string, string>();
    for (const { name, make, given, follows, about } of secretsOf(PLACES[place])) {
      const file = path.join(folder, name);
      const there = await textOf(file);
      const value = (
        there !== null && !follows ? there : make((other) => values.get(other) as string)
      ).trim();
      values.set(name, value);
      if (given && value === "") made.toFillIn.push({ name, about });
      if (there?.trim() === value) {
        made.kept += 1;
        continue;
      }
      if (there !== null) {
        await rename(file, `${file}.before`);
        made.renewed.push(name);
      }
      await writeFile(path.join(workshop, name), `${value}\n`, { mode: 0o600 });
      await keep(name);
    }
    await certificates(folder, workshop, { hosts, nats: PLACES[place].natsNames }, keep, made);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
  return made;
}

async function certificates(
  folder: string,
  workshop: string,
  { hosts, nats }: { hosts: string[]; nats: readonly string[] },
  keep: (name: string) => Promise<void>,
  made: Made,
): Promise<void> {
  const at = (where: string, name: string) => ({
    certificate: path.join(where, `${name}.crt`),
    key: path.join(where, `${name}.key`),
  });
  const isThere = async (name: string): Promise<boolean> => {
    const found = await Promise.all(["crt", "key"].map((end) => textOf(path.join(folder, `${name}.${end}`))));
    if (found.includes(null) !== found.every((each) => each === null))
      throw new SettingsError(
        `${folder} has only one of ${name}.crt and ${name}.key: it takes both or none.`,
      );
    if (!found.includes(null)) made.kept += 2;
    return !found.includes(null);
  };
  const both = async (name: string): Promise<void> => {
    await keep(`${name}.key`);
    await keep(`${name}.crt`);
  };
  const authority = at(folder, "authority");
  if (!(await isThere("authority"))) {
    const fresh = at(workshop, "authority");
    await makeAuthority(fresh.certificate, fresh.key);
    await both("authority");
  }
  for (const [name, names] of [
    ["nats", nats],
    ["edge", hosts],
  ] as const) {
    if (await isThere(name)) continue;
    await makeCertificate(authority, names, at(workshop, name));
    await both(name);
  }
}

async function textOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new SettingsError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function wanted(args: string[]): Wanted {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { for: { type: "string", default: "compose" }, host: { type: "string", multiple: true } },
  });
  const [folder] = positionals;
  if (!folder || positionals.length > 1) throw new SettingsError(USAGE);
  const place = values.for;
  if (place !== "compose" && place !== "kubernetes")
    throw new SettingsError(`--for is "${place}" but takes compose or kubernetes. ${USAGE}`);
  return { folder: path.resolve(folder), place, hosts: values.host ?? ["localhost", "127.0.0.1"] };
}

async function main(): Promise<void> {
  const asked = wanted(process.argv.slice(2));
  const { names, renewed, kept, toFillIn } = await makeSecrets(asked);
  const lines = [
    `${asked.folder}: ${names.length} made, ${kept} were there and stay as they are.`,
    ...renewed.map(
      (name) =>
        `${name} is another one now (what was there is ${name}.before): give it to its servers and restart them one by one, before the nodes of this version.`,
    ),
    ...(names.length > 0
      ? [
          "Keep a copy where the machine's fire does not reach, and where nobody reads along: admin_jwt_keys seals second factors, and backups hold none of these.",
          "authority.key signs certificates: the machine itself does not need it; move it there too.",
        ]
      : []),
    ...toFillIn.map(({ name, about }) => `Fill in ${name}: ${about}.`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

if (import.meta.main) runCommand(main);
