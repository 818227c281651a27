import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What jest writes with --outputFile, as far as .ci/run reads it. */
const report = (passed: number, failed: number, broken: number) =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numRuntimeErrorTestSuites: broken });

/** What the stand-in for npm does when it is told to test: jest's part. */
const tested = (json: string, code: number) =>
  `if [ "$1" = test ]; then echo '${json}' > "$output"; exit ${code}; fi`;

describe(".ci/run", () => {
  let clone: string;
  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), "club-alliance-test-"));
    for (const folder of [".ci", "scripts", "bin"]) mkdirSync(join(clone, folder));
    copyFileSync(join(root, ".ci/run"), join(clone, ".ci/run"));
    command("scripts/install-servers.sh", "exit 0");
  });
  afterEach(() => rmSync(clone, { recursive: true, force: true }));

  function command(path: string, body: string) {
    writeFileSync(join(clone, path), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }

  /** Runs it with an npm that notes its arguments and then does what is said, instead of the real one. */
  function run(npm: string) {
    const calls = join(clone, "calls");
    command(
      "bin/npm",
      `echo "$REQUIRE_SERVERS $*" >> ${calls}\nfor each; do case "$each" in --outputFile=*) output="\${each#--outputFile=}";; esac; done\n${npm}`,
    );
    const path = [join(clone, "bin"), dirname(process.execPath), process.env.PATH].join(delimiter);
    const env = { ...process.env, PATH: path, REQUIRE_SERVERS: "" };
    const { status, stdout } = spawnSync(join(clone, ".ci/run"), { env, encoding: "utf8" });
    return {
      status,
      stdout,
      last: stdout.trimEnd().split("\n").at(-1),
      calls: () => readFileSync(calls, "utf8").split("\n"),
    };
  }

  test("installs, checks, tests with every server required, and sums up", () => {
    const { status, last, calls } = run(tested(report(12, 0, 0), 0));
    expect(last).toBe("12 passed, 0 failed");
    expect(status).toBe(0);
    expect(calls().slice(0, 3)).toEqual([" ci", " run typecheck", " run lint"]);
    expect(calls()[3]).toMatch(/^1 test -- --ci --forceExit --json --outputFile=/);
  });

  test.each([
    ["tests failed", report(12, 3, 0), 1, 1, "12 passed, 3 failed"],
    ["a file could not run", report(12, 3, 2), 1, 1, "12 passed, 5 failed"],
    ["jest failed for another reason", report(12, 0, 0), 7, 7, "12 passed, 1 failed"],
    ["failures are reported with exit code 0", report(12, 1, 0), 0, 1, "12 passed, 1 failed"],
    ["every test was skipped", report(0, 0, 0), 0, 1, "0 passed, 1 failed"],
    ["the report is broken", "{", 0, 1, "0 passed, 1 failed"],
  ])("fails when %s", (_, json, code, status, last) => {
    expect(run(tested(json, code))).toMatchObject({ status, last });
  });

  test.each(["ci", "run typecheck", "run lint"])("fails when npm %s fails, before any test", (step) => {
    const { status, last, calls } = run(`[ "$*" = "${step}" ] && exit 3; exit 0`);
    expect(status).toBe(3);
    expect(last).toBe("0 passed, 1 failed");
    expect(calls().at(-2)).toBe(` ${step}`);
  });

  describe("tries files that failed once more", () => {
    const assertionResults = [
      { status: "failed", fullName: "a list is sorted", failureMessages: ["expected 1,  got 2"] },
      { status: "passed", fullName: "a list is short", failureMessages: [] },
    ];
    const files = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        name: `/x/${n}.test.ts`,
        status: "failed",
        message: "",
        assertionResults,
      }));
    const first = (failed: number) =>
      JSON.stringify({ ...(JSON.parse(report(12, failed, 0)) as object), testResults: files(failed) });
    /** What the second try says, and its exit code. */
    const twice = (json: string, again: string, code: number) =>
      `if [ "$(grep -c " test " calls)" = 2 ]; then ${tested(again, code)}; fi; ${tested(json, 1)}`;

    test("and counts what passes then, and says what had failed", () => {
      const { status, last, calls, stdout } = run(twice(first(10), report(9, 0, 0), 0));
      expect({ status, last }).toEqual({ status: 0, last: "22 passed, 0 failed" });
      expect(calls()[4]).toMatch(/ --runInBand \/x\/0\.test\.ts .*\/x\/9\.test\.ts$/);
      expect(stdout.match(/\/x\/\d\.test\.ts: a list is sorted: expected 1, got 2\n/g)).toHaveLength(10);
    });

    test("and fails with those that fail again", () => {
      const { status, last } = run(twice(first(2), report(4, 1, 0), 1));
      expect({ status, last }).toEqual({ status: 1, last: "13 passed, 1 failed" });
    });

    test("but not more than ten", () => {
      const { status, last, calls } = run(twice(first(11), report(9, 0, 0), 0));
      expect({ status, last }).toEqual({ status: 1, last: "12 passed, 11 failed" });
      expect(calls()).toHaveLength(5);
    });
  });

  test("fails when the servers cannot be installed", () => {
    command("scripts/install-servers.sh", "exit 4");
    expect(run("exit 0")).toMatchObject({ status: 4, last: "0 passed, 1 failed" });
  });
});
