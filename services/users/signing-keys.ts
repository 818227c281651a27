/** The private keys that sign access tokens: of JWT_KEYS, or made at the first start and kept in DATA_DIR. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import type { SigningKeys } from "../../lib/keys.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { Settings } from "../../lib/settings.ts";

/** The keys by the settings. Throws a SettingsError that repeats nothing of them. */
export function loadSigningKeys(settings: Settings): SigningKeys {
  try {
    if (settings.jwtKeys) return parseKeySet(settings.jwtKeys, "JWT_KEYS");
    const file = path.join(settings.dataDir, "jwt-keys.json");
    return parseKeySet(readOrMake(file), file);
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

function readOrMake(file: string): string {
  return read(file) ?? make(file);
}

function read(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** The whole file or none; when two make it at once, the first one's holds. */
function make(file: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${newId()}.tmp`;
  const made = JSON.stringify(generateKeySet());
  try {
    const handle = openSync(draft, "wx", 0o600);
    try {
      writeFileSync(handle, made);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    linkSync(draft, file);
    return made;
  } catch (error) {
    const theirs = (error as NodeJS.ErrnoException).code === "EEXIST" ? read(file) : null;
    if (theirs) return theirs;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
