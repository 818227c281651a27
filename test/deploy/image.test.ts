import { readFileSync } from "node:fs";
import path from "node:path";
import { problemsOf } from "../../scripts/deploy/checks/image.ts";
import { ROOT } from "../../scripts/deploy/facts.ts";
import { projectBuild, projectStages, runScript, tryNode } from "../../scripts/deploy/image.ts";
import type { Build } from "../../scripts/deploy/image/build.ts";
import { missing, remedy } from "../support/servers/found.ts";

const DOCKERFILE = readFileSync(path.join(ROOT, "Dockerfile"), "utf8");
const IGNORE = readFileSync(path.join(ROOT, ".dockerignore"), "utf8");

function changed(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`there is no longer "${from}"`);
  return text.replace(from, to);
}

describe("the Dockerfile against what it ships", () => {
  test.each([
    [
      "a folder that does not exist",
      "COPY lib ./lib",
      "COPY libs ./lib",
      /copies libs, which does not exist/,
    ],
    ["what is left out", "COPY lib ./lib", "COPY test ./test", /copies test, which .dockerignore leaves out/],
    ["no folder of services", "COPY services ./services", "", /services does not come into the image/],
    ["root", "USER 10001:10001\nEXPOSE", "EXPOSE", /runs as root/],
    [
      "a shell before the node",
      '["node", "scripts/node.ts"]',
      "node scripts/node.ts",
      /ENTRYPOINT is missing/,
    ],
    [
      "a base without a version",
      "FROM node:24.21.0-bookworm-slim AS node",
      "FROM node:24 AS node",
      /no exact version/,
    ],
  ])("%s is found", (_, from, to, sentence) => {
    expect(problemsOf(changed(DOCKERFILE, from, to), IGNORE).join("\n")).toMatch(sentence);
  });

  test("an import of a file that is left out is found", () => {
    expect(problemsOf(DOCKERFILE, `${IGNORE}\nlib/ids.ts\n`).join("\n")).toMatch(
      /imports lib\/ids.ts, which is not in the image/,
    );
  });
});

const reason = process.getuid?.() === 0 ? null : "root";
const absent = missing(["image"]);
if (absent.length > 0 && process.env.REQUIRE_SERVERS && !reason) throw new Error(remedy(absent));
const built = absent.length > 0 || reason ? describe.skip : describe;

built("the image, its steps taken in an empty root", () => {
  let build: Build;
  beforeAll(async () => {
    build = await projectBuild();
    await build.root("node");
  }, 280_000);
  afterAll(() => build.remove());

  test("a node starts read-only and not as root, is healthy, and ends with 0 at SIGTERM", async () => {
    const { node, health, ready } = await tryNode(build);
    expect(ready).toBe(200);
    expect(health).toEqual({ code: 0, output: "" });
    expect(node.output).toMatch(/Club Alliance is ready/);
    expect(node.code).toBe(0);
  }, 200_000);

  test.each([
    ["migrate.ts", ["up"], /users .*: up/],
    ["healthy.ts", [], /ECONNREFUSED/],
    ["openapi.ts", [], /"openapi": "3/],
    ["admin.ts", ["keys"], /"kty":"RSA"/],
    ["repl.ts", [], /NATS_URL is not set/],
    ["import.ts", [], /Usage/],
    ["backup.ts", [], /Usage/],
    ["restore.ts", [], /Usage/],
  ])(
    "scripts/%s has all that it needs",
    async (script, args, says) => {
      const { output } = await runScript(build, [`scripts/${script}`, ...args]);
      expect(output).toMatch(says);
    },
    120_000,
  );

  test("nothing but /tmp can be written", async () => {
    const write =
      "for (const f of ['/app/x', '/x', '/usr/x']) try { fs.writeFileSync(f, ''); console.log(f) } catch {}; fs.writeFileSync('/tmp/x', ''); console.log(process.getuid())";
    expect((await runScript(build, ["-e", write])).output.trim()).toBe("10001");
  }, 60_000);

  test("without one of the folders nothing starts", async () => {
    const less = build.with(projectStages(changed(DOCKERFILE, "COPY mixins ./mixins", "")));
    await expect(tryNode(less)).rejects.toThrow(/mixins/);
  }, 200_000);
});
