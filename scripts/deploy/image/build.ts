/** Takes the steps of a Dockerfile in roots of their own, a stage each. */
import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { execFileSync } from "node:child_process";
import { find, HOME } from "../../../test/support/servers/found.ts";
import type { CopyStep, Stage } from "./dockerfile.ts";
import { confine, copyTree, ended } from "./root.ts";

/** Debian's own packages of the base, unpacked by scripts/install-servers.sh. */
export const DEBIAN = path.join(HOME, "debian", "bookworm");

/** What is missing for taking a Dockerfile's steps here, as a sentence; null when nothing is. */
export function unable(): string | null {
  if (process.getuid?.() !== 0) return "Taking the steps of the Dockerfile needs root: run it as root.";
  if (!existsSync(DEBIAN) || !find("unshare")) return `${DEBIAN} not found: run scripts/install-servers.sh`;
  return null;
}

export class Build {
  readonly #stages: readonly Stage[];
  readonly #context: string;
  readonly #ignored: (file: string) => boolean;
  readonly #folder: string;
  readonly #roots = new Map<string, Promise<string>>();

  private constructor(
    stages: readonly Stage[],
    context: string,
    ignored: (file: string) => boolean,
    folder: string,
  ) {
    this.#stages = stages;
    this.#context = context;
    this.#ignored = ignored;
    this.#folder = folder;
  }

  /** @param context the folder that COPY copies from @param ignored what .dockerignore leaves out */
  static async of(
    stages: readonly Stage[],
    context: string,
    ignored: (file: string) => boolean,
  ): Promise<Build> {
    return new Build(stages, context, ignored, await mkdtemp(path.join(tmpdir(), "club-alliance-image-")));
  }

  /** The same with other stages; those that stay are not built again. */
  with(stages: readonly Stage[]): Build {
    const other = new Build(stages, this.#context, this.#ignored, this.#folder);
    for (const stage of stages) {
      const root = this.#roots.get(keyOf(stage));
      if (root) other.#roots.set(keyOf(stage), root);
    }
    return other;
  }

  stage(name: string): Stage {
    const stage = this.#stages.find((each) => each.name === name);
    if (!stage) throw new Error(`The Dockerfile has no stage "${name}".`);
    return stage;
  }

  /** The root of a stage; built when it is first asked for. */
  root(name: string): Promise<string> {
    const stage = this.stage(name);
    const root = this.#roots.get(keyOf(stage)) ?? this.#build(stage);
    this.#roots.set(keyOf(stage), root);
    return root;
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #build(stage: Stage): Promise<string> {
    const root = await mkdtemp(path.join(this.#folder, `${stage.name}-`));
    const before = this.#stages.find(({ name }) => name === stage.base);
    await copyTree(before ? await this.root(before.name) : DEBIAN, root);
    chmodSync(root, 0o755);
    if (!before) addNode(root);
    let cwd = "/";
    for (const step of stage.steps) {
      if (step.kind === "workdir") {
        cwd = path.resolve(cwd, step.folder);
        mkdirSync(path.join(root, cwd), { recursive: true });
      } else if (step.kind === "copy") await this.#copy(step, root, cwd);
      else await runStep(root, cwd, stage.env, step.command, step.line);
    }
    return root;
  }

  async #copy({ from, sources, to, line }: CopyStep, root: string, cwd: string): Promise<void> {
    const base = from === null ? this.#context : await this.root(from);
    const target = path.join(root, path.resolve(cwd, to));
    for (const source of sources) {
      const file = path.join(base, source);
      if (!existsSync(file) || (from === null && this.#ignored(source)))
        throw new Error(`Dockerfile:${line}: there is no ${source} to copy.`);
      const folder = statSync(file).isDirectory();
      const place = folder || !/(^|\/)\.?\/?$/.test(to) ? target : path.join(target, path.basename(source));
      if (from !== null) await copyTree(file, place);
      else
        cpSync(file, place, {
          recursive: true,
          preserveTimestamps: true,
          // A folder is left out when all that could be in it is; single files may be let in by name.
          filter: (each) => each === file || !this.#ignored(path.relative(this.#context, each)),
        });
    }
  }
}

/** A stage is another one when its steps, or those of the stages before it, differ. */
const keyOf = (stage: Stage): string => JSON.stringify([stage.name, stage.base, stage.steps]);

/** The base has Node.js and npm in /usr/local: those that run here stand in for them. */
function addNode(root: string): void {
  const bin = path.join(root, "usr/local/bin");
  mkdirSync(bin, { recursive: true });
  cpSync(process.execPath, path.join(bin, "node"), { dereference: true });
  const npm = path.dirname(path.dirname(realpathSync(find("npm") ?? "npm")));
  cpSync(npm, path.join(root, "usr/local/lib/node_modules/npm"), { recursive: true });
  for (const name of ["npm", "npx"])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, path.join(bin, name));
}

/** Where the Dockerfile mounts it. */
const NPM_CACHE = "/var/cache/npm";

/** Runs a line of the shell as root, with the machine's own ways to the network. */
async function runStep(
  root: string,
  cwd: string,
  env: Record<string, string>,
  command: string,
  line: number,
) {
  const cache = execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim();
  mkdirSync(cache, { recursive: true });
  const ofMachine = ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs", path.join(homedir(), ".npmrc")];
  const shared = Object.fromEntries([
    [cache, NPM_CACHE],
    ...ofMachine.filter((file) => existsSync(file)).map((file) => [file, file.replace(homedir(), "/root")]),
  ]) as Record<string, string>;
  const child = confine({
    root,
    cwd,
    command: ["sh", "-c", command],
    env: {
      HOME: "/root",
      npm_config_prefer_offline: "true",
      ...ofNetwork(),
      ...env,
    },
    user: 0,
    readOnly: false,
    shared,
  });
  const { code, output } = await ended(child);
  if (code !== 0)
    throw new Error(`Dockerfile:${line}: the step ended with ${code}.\n${output.slice(-4_000)}`);
}

/** What leads to the network from here. */
function ofNetwork(): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value && /^(https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name)) passed[name] = value;
  return passed;
}
