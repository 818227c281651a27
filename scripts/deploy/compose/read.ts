/** docker-compose.yml as the engine would take it: variables filled in, anchors resolved. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseEnv } from "node:util";
import { parse } from "yaml";
import { ROOT, runProgram } from "../facts.ts";

export interface Dependency {
  condition?: string;
}

export interface Service {
  image?: string;
  build?: { target?: string };
  profiles?: string[];
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string>;
  secrets?: string[];
  volumes?: string[];
  ports?: string[];
  networks?: string[] | Record<string, { aliases?: string[]; ipv4_address?: string } | null>;
  healthcheck?: { test?: string[]; disable?: boolean };
  restart?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  logging?: { options?: Record<string, string> };
  depends_on?: Record<string, Dependency>;
  stop_grace_period?: string;
  deploy?: { replicas?: number; resources?: { limits?: { memory?: string; cpus?: string } } };
}

export interface Compose {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean } | null>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file?: string }>;
}

export const COMPOSE_FILE = path.join(ROOT, "docker-compose.yml");
export const EXAMPLE_FILE = path.join(ROOT, "deploy", "compose.env.example");

/** What `.env` says when nothing of the example was changed. */
export function exampleEnvironment(): Record<string, string | undefined> {
  return parseEnv(readFileSync(EXAMPLE_FILE, "utf8"));
}

/**
 * Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?what to do}` as the Compose specification says, and `$$`.
 * @returns the text, and which variables it names
 */
export function interpolate(
  text: string,
  env: Record<string, string | undefined>,
): { text: string; names: Set<string> } {
  const names = new Set<string>();
  const filled = text.replace(
    /\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (whole, name: string | undefined, kind?: string, rest = "") => {
      if (name === undefined) return "$";
      names.add(name);
      const value = env[name];
      if (value) return value;
      if (kind === "?") throw new Error(`docker-compose.yml needs ${name}: ${rest}`);
      return kind === "-" ? rest : whole.includes(":") ? "" : (value ?? "");
    },
  );
  return { text: filled, names };
}

/** Parses a text whose variables are filled in. */
export function parseCompose(text: string): Compose {
  return parse(text, { merge: true, maxAliasCount: -1 }) as Compose;
}

/** What the Compose specification's own parser says against a text; null when it takes it. */
export async function specification(text: string): Promise<string | null> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-compose-"));
  try {
    const file = path.join(folder, "docker-compose.yml");
    writeFileSync(file, text);
    const { code, output } = await runProgram("compose-go", ["-no-interpolation", file], { cwd: folder });
    return code === 0 ? null : output.trim().replaceAll(`${folder}/`, "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
