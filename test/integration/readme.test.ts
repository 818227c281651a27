/** The tour of the README works when it is pasted. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { launch, ready } from "../support/node-process.ts";

const README = path.join(import.meta.dirname, "..", "..", "README.md");

test("the first tour, as it stands", async () => {
  const text = readFileSync(README, "utf8");
  const tour = /<!-- tour -->\n```sh\n([\s\S]*?)```/.exec(text)?.[1] as string;
  const start = /^DATA_DIR=\S+ ADMIN_EMAIL=(\S+) ADMIN_PASSWORD=(\S+) npm start$/m.exec(
    text,
  ) as RegExpExecArray;
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-tour-"));
  const node = launch("scripts/node.ts", "", {
    PATH: process.env["PATH"] ?? "",
    DATA_DIR: folder,
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: "0",
    HOST: "127.0.0.1",
    LOG_LEVEL: "warn",
    ADMIN_EMAIL: start[1] as string,
    ADMIN_PASSWORD: start[2] as string,
  });
  try {
    await ready(node);
    const pasted = tour
      .replace("http://127.0.0.1:3000", node.url)
      .replace("http://127.0.0.1:3001", node.adminUrl);
    const { stdout } = await promisify(execFile)("bash", ["-e", "-c", pasted], { timeout: 60_000 });
    const lines = stdout.trim().split("\n");
    expect(lines).toContain("claimed");
    expect(lines).toContain("大学生读书协会");
    expect(lines.filter((line) => line === "approved")).toHaveLength(2);
    expect(lines).toContain("2");
    expect(lines).toContain("夜读记 After the reading night");
    expect(lines).toContain("迎新 Welcome");
    expect(stdout).toContain("announcements.create ok");
    expect(stdout).toMatch(/^true$/m);
    expect(stdout).toMatch(/users: \d/);
  } finally {
    node.kill("SIGTERM");
    await node.exited;
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);
