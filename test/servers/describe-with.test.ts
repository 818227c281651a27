import { execFile } from "node:child_process";
import { join } from "node:path";
import { missing, startMariadb, startNats, startRedis } from "../support/servers/index.ts";

const root = join(import.meta.dirname, "../..");
const nowhere = "/nonexistent";

/** Runs needs-redis.ts in a jest of its own. */
function jest(env: NodeJS.ProcessEnv): Promise<{ code: unknown; output: string }> {
  const args = ["--experimental-vm-modules", "--no-warnings", join(root, "node_modules/jest/bin/jest.js")];
  const testMatch = [join(import.meta.dirname, "needs-redis.ts")];
  const transform = { "\\.ts$": ["@swc/jest", { module: { type: "es6" } }] };
  const config = { rootDir: root, testMatch, transform, extensionsToTreatAsEsm: [".ts"] };
  args.push("--ci", "--verbose", "--config", JSON.stringify(config));
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });
}

describe("a suite whose server is missing", () => {
  // /usr/sbin is searched always, and Redis is not there.
  const bare = { PATH: nowhere, TEST_NATS_URL: "nats://127.0.0.1:4222" };
  const what = "redis-server not found: run scripts/install-servers.sh, or set TEST_REDIS_URL";

  test("is skipped, and says why", async () => {
    const { code, output } = await jest(bare);
    expect(output).toContain(`skipped: a suite of two servers (${what})`);
    expect(output).toContain("1 skipped, 1 total");
    expect(code).toBe(0);
  });

  test("fails with REQUIRE_SERVERS=1, and says what is missing and what to do", async () => {
    const { code, output } = await jest({ ...bare, REQUIRE_SERVERS: "1" });
    expect(output).toContain(what);
    expect(output).toContain("1 failed, 1 total");
    expect(code).toBe(1);
  });

  test("runs when the environment gives the server", async () => {
    const { code, output } = await jest({
      ...bare,
      TEST_REDIS_URL: "redis://127.0.0.1",
      REQUIRE_SERVERS: "1",
    });
    expect(output).toContain("1 passed, 1 total");
    expect(code).toBe(0);
  });
});

describe("the environment", () => {
  const before = { ...process.env };
  afterEach(() => {
    for (const name of ["TEST_NATS_URL", "TEST_MARIADB_URL", "TEST_REDIS_URL"]) delete process.env[name];
    Object.assign(process.env, before);
  });

  test("without a server on the PATH or given, misses it, and starting it says what to do", async () => {
    delete process.env.TEST_REDIS_URL;
    process.env.PATH = nowhere;
    expect(missing(["redis"])).toEqual(["redis"]);
    await expect(startRedis()).rejects.toThrow(
      "redis-server is not installed: run scripts/install-servers.sh",
    );
  });

  test("gives servers, which can be used but not ended", async () => {
    process.env.TEST_NATS_URL = "nats://nats.test";
    process.env.TEST_MARIADB_URL = "mysql://user:word@mariadb.test:3307";
    process.env.TEST_REDIS_URL = "redis://redis.test";
    process.env.PATH = nowhere;
    expect(missing(["nats", "mariadb", "redis"])).toEqual([]);
    const [nats, mariadb, redis] = [await startNats(), await startMariadb(), await startRedis()];
    expect(nats).toMatchObject({ url: "nats://nats.test", port: 4222, httpUrl: "http://nats.test:8222" });
    expect(mariadb).toMatchObject({ url: "mysql://user:word@mariadb.test:3307", port: 3307, pid: NaN });
    expect(redis).toMatchObject({ url: "redis://redis.test", port: 6379 });
    await expect(redis.kill()).rejects.toThrow("not theirs to end");
    await expect(redis.restart()).rejects.toThrow("not theirs to end");
    expect(() => redis.pause()).toThrow("not theirs to end");
    await redis.stop();
  });

  test("that gives nonsense is named", async () => {
    process.env.TEST_REDIS_URL = "localhost";
    await expect(startRedis()).rejects.toThrow("TEST_REDIS_URL is not a URL");
  });
});
