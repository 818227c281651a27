/** The unit for machines without containers names what there is, and systemd understands it. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { knownVariables, ROOT } from "../../scripts/deploy/facts.ts";
import { find } from "../support/servers/found.ts";

const NAME = "club-alliance@.service";
const unit = readFileSync(path.join(ROOT, "deploy", "systemd", NAME), "utf8");
const analyze = find("systemd-analyze");
const whereSystemdIs = analyze ? test : test.skip;

/** What systemd says of a unit, with programs that are on this machine. */
async function verdict(text: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "club-alliance-unit-"));
  try {
    const file = path.join(folder, NAME);
    await writeFile(file, text.replaceAll("/usr/local/bin/node", process.execPath));
    const { stderr } = await promisify(execFile)(analyze ?? "", ["verify", file]);
    return stderr;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("the variables that it sets are settings, and its scripts are there", () => {
  const set = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line]) => line?.split(" ") ?? []);
  const names = set.map((each) => each.split("=")[0] ?? "");
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => !knownVariables().has(name))).toEqual([]);
  const scripts = [...unit.matchAll(/scripts\/[\w-]+\.ts/g)].map(([script]) => script);
  expect(scripts.length).toBeGreaterThan(1);
  expect(scripts.filter((script) => !existsSync(path.join(ROOT, script)))).toEqual([]);
});

whereSystemdIs(
  "systemd understands it, and not one with a word that it does not know",
  async () => {
    expect(await verdict(unit)).not.toContain(NAME.replace("@", "@i"));
    expect(await verdict(unit.replace("MemoryMax=", "MemoryMaximum="))).toContain("MemoryMaximum");
  },
  60_000,
);
