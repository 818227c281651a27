/** The private keys that sign access tokens: of the environment, or made at the first start and kept in DATA_DIR. */
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
import { newId } from "./ids.ts";
import { generateKeySet, parseKeySet } from "./keys.ts";
import type { SigningKeys } from "./keys.ts";
import { SettingsError } from "./settings.ts";
import type { Settings } from "./settings.ts";

/** Whose tokens: the variable that may hold the keys, and the file that does otherwise. */
const SETS = {
  public: { variable: "JWT_KEYS", setting: "jwtKeys", file: "jwt-keys.json" },
  admin: { variable: "ADMIN_JWT_KEYS", setting: "adminJwtKeys", file: "admin-jwt-keys.json" },
} as const;

/**
 * The keys of an audience, by the settings: `public` on nodes of users, `admin` on nodes of the admin domain. Throws a
 * SettingsError that repeats nothing of them.
 */
export function loadSigningKeys(settings: Settings, audience: keyof typeof SETS): SigningKeys {
  const { variable, setting, file: name } = SETS[audience];
  const given = settings[setting];
  try {
    if (given) return parseKeySet(given, variable);
    const file = path.join(settings.dataDir, name);
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
