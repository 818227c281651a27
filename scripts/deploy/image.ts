/**
 * `node scripts/deploy/image.ts`: takes the Dockerfile's steps in an empty root, without a container engine, and starts
 * the whole federation in it as an engine would: read-only, as user 10001, ended by SIGTERM.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { freePort } from "../../test/support/servers/child.ts";
import { ROOT } from "./facts.ts";
import { Build, unable } from "./image/build.ts";
import { readDockerfile } from "./image/dockerfile.ts";
import type { Stage } from "./image/dockerfile.ts";
import { ignoredBy } from "./image/ignore.ts";
import { beside, confine, ended, signalFirst, until } from "./image/root.ts";
import type { Confined, Ended } from "./image/root.ts";

/** Milliseconds. */
const START_LIMIT = 90_000;

/** The project's own Dockerfile, to be built with its own folder. */
export function projectBuild(): Promise<Build> {
  const ignored = ignoredBy(readFileSync(path.join(ROOT, ".dockerignore"), "utf8"));
  return Build.of(projectStages(), ROOT, ignored);
}

export const projectStages = (text = readFileSync(path.join(ROOT, "Dockerfile"), "utf8")): Stage[] =>
  readDockerfile(text);

/** How an engine runs a command in the image. */
export async function asContainer(
  build: Build,
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<Confined> {
  const stage = build.stage("node");
  return {
    root: await build.root("node"),
    command,
    cwd: "/app",
    env: { ...stage.env, ...env },
    user: Number(stage.user?.split(":")[0] ?? 0),
    readOnly: true,
  };
}

export interface Trial {
  /** What the node and the health check said, and their codes. */
  node: Ended;
  health: Ended;
  /** What /health/ready answered. */
  ready: number;
}

/** Starts a node by the image's entry point, has it say that it is ready, and ends it by SIGTERM. */
export async function tryNode(build: Build): Promise<Trial> {
  const stage = build.stage("node");
  const port = await freePort();
  // A trial: the stores are embedded, in the one folder that may be written.
  const env = { HEALTH_PORT: String(port), HOST: "127.0.0.1", PORT: "0", ADMIN_PORT: "0" };
  const confined = await asContainer(build, stage.entrypoint ?? [], env);
  const child = confine(confined);
  const end = ended(child);
  const gone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  try {
    const ready = await until(
      async () => {
        const { status } = await fetch(`http://127.0.0.1:${port}/health/ready`);
        if (status !== 200) throw new Error(`/health/ready answers ${status}`);
        return status;
      },
      START_LIMIT,
      gone,
    );
    const health = await beside(child, { ...confined, command: stage.healthcheck ?? [] });
    await signalFirst(child, "SIGTERM");
    return { node: await end, health, ready };
  } catch (error) {
    child.kill("SIGKILL");
    const { output } = await end;
    throw new Error(`The node did not become ready: ${(error as Error).message}\n${output.slice(-4_000)}`, {
      cause: error,
    });
  }
}

/** Runs a script of the image to its end. */
export async function runScript(build: Build, args: readonly string[], env = {}): Promise<Ended> {
  return ended(confine(await asContainer(build, ["node", ...args], env)));
}

if (import.meta.main) {
  const reason = unable();
  if (reason) throw new Error(reason);
  const build = await projectBuild();
  try {
    const { node, health } = await tryNode(build);
    const migrated = await runScript(build, ["scripts/migrate.ts", "up"]);
    process.stdout.write(
      `${node.output}\nThe node ended with ${node.code}, the health check with ${health.code}, the migrations with ${migrated.code}.\n`,
    );
    process.exitCode = node.code === 0 && health.code === 0 && migrated.code === 0 ? 0 : 1;
  } finally {
    await build.remove();
  }
}
