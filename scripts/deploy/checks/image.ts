/** The Dockerfile against what it ships. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Check } from "../facts.ts";
import { ROOT, runProgram } from "../facts.ts";
import { readDockerfile } from "../image/dockerfile.ts";
import type { Stage } from "../image/dockerfile.ts";
import { ignoredBy } from "../image/ignore.ts";
import { strangeImports } from "../image/imports.ts";

const USER = "10001:10001";
/** Scripts that must work in the image, beside what its entry point names. */
const SCRIPTS = ["migrate", "admin", "import", "repl", "openapi", "healthy", "backup", "restore", "bucket"];

/** What a Dockerfile promises that is not so. @param text the Dockerfile @param ignore .dockerignore */
export function problemsOf(text: string, ignore: string, root = ROOT): string[] {
  const stages = readDockerfile(text);
  const ignored = ignoredBy(ignore);
  const final = stages.find(({ name }) => name === "node");
  if (!final) return ['Dockerfile: there is no stage "node", which docker-compose.yml builds.'];
  return [
    ...stages.flatMap((stage) => ofStage(stage, ignored, root)),
    ...ofFinal(final, ignored, root),
    ...shipped(stages, ignored),
    ...strangeImports(root, (file) => !ignored(file)),
  ];
}

function ofStage(stage: Stage, ignored: (file: string) => boolean, root: string): string[] {
  const problems = stage.copies
    .filter(({ from }) => !from)
    .flatMap(({ sources, line }) =>
      sources.flatMap((source) => {
        if (!existsSync(path.join(root, source)))
          return `Dockerfile:${line} copies ${source}, which does not exist.`;
        return ignored(source) ? `Dockerfile:${line} copies ${source}, which .dockerignore leaves out.` : [];
      }),
    );
  if (!stage.pinned)
    problems.push(`Dockerfile:${stage.line} takes ${stage.base}, which names no exact version.`);
  return problems;
}

function ofFinal(
  { user, healthcheck, entrypoint, env }: Stage,
  ignored: (file: string) => boolean,
  root: string,
) {
  const problems: string[] = [];
  if (user !== USER) problems.push(`Dockerfile: the image runs as ${user ?? "root"} and not as ${USER}.`);
  for (const [what, command] of [
    ["HEALTHCHECK", healthcheck],
    ["ENTRYPOINT", entrypoint],
  ] as const) {
    const script = command?.find((word) => word.endsWith(".ts"));
    // The shell of the other form would stand between the engine's signals and Node.js.
    if (!command) problems.push(`Dockerfile: ${what} is missing, or no list of words.`);
    else if (!script || !existsSync(path.join(root, script)) || ignored(script))
      problems.push(`Dockerfile: ${what} runs ${command.join(" ")}, whose script is not in the image.`);
  }
  if (env["NODE_ENV"] !== "production") problems.push("Dockerfile: NODE_ENV is not production.");
  return problems;
}

function shipped(stages: Stage[], ignored: (file: string) => boolean): string[] {
  const copied = stages.flatMap(({ copies }) => copies.flatMap(({ sources }) => sources));
  const needed = [
    ...SCRIPTS.map((name) => `scripts/${name}.ts`),
    "moleculer.config.ts",
    "migrations",
    "services",
  ];
  const lacks = (file: string): boolean =>
    ignored(file) || !copied.some((source) => file === source || file.startsWith(`${source}/`));
  return needed.filter(lacks).map((file) => `Dockerfile: ${file} does not come into the image.`);
}

const read = (name: string): string => readFileSync(path.join(ROOT, name), "utf8");

export default {
  title: "the Dockerfile ships what runs, and nothing runs as root",
  async run() {
    const { code, output } = await runProgram("hadolint", ["--no-color", "Dockerfile"]);
    const linted = code === 0 ? [] : output.trim().split("\n");
    return [...linted, ...problemsOf(read("Dockerfile"), read(".dockerignore"))];
  },
} satisfies Check;
