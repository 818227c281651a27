/** The servers' configuration of docker-compose.yml, started as it is but for addresses and folders. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { connect } from "nats";
import { openS3 } from "../../lib/storage/s3.ts";
import { ROOT, runProgram } from "../../scripts/deploy/facts.ts";
import { makeSecrets } from "../../scripts/secrets.ts";
import { folder, freePort, serve } from "../support/servers/child.ts";
import type { Server } from "../support/servers/child.ts";
import { missing, need, remedy } from "../support/servers/found.ts";
import { startS3 } from "../support/servers/s3.ts";

const absent = missing(["nginx", "s3", "nats"]);
if (absent.length > 0 && process.env.REQUIRE_SERVERS) throw new Error(remedy(absent));
const whole = absent.length > 0 ? describe.skip : describe;

whole("servers of docker-compose.yml", () => {
  const servers: Server[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  test("the CDN keeps pictures for everybody and passes on only what is signed", async () => {
    const s3 = await startS3();
    servers.push(s3);
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const url = s3.bucketUrl("club-alliance");
    const made = await runProgram("node", ["scripts/bucket.ts"], { env: { ...process.env, S3_URL: url } });
    expect(made).toMatchObject({ code: 0 });
    const dir = await folder("cdn");
    await mkdir(path.join(dir, "cache"));
    const text = (await readFile(path.join(ROOT, "deploy/nginx/cdn.conf"), "utf8"))
      .replace("http://s3:7070", s3.url)
      .replace(/^ *resolver .*$/m, "")
      .replace("listen 8080", `listen 127.0.0.1:${port}`)
      .replaceAll("/tmp/", `${dir}/`)
      .replaceAll("/var/cache/cdn", `${dir}/cache`)
      .replace("access_log /dev/stdout", `access_log ${dir}/access`);
    // Root's nginx would work as somebody else, who may not enter the folder.
    const asRoot = process.getuid?.() === 0 ? "user root;\n" : "";
    await writeFile(path.join(dir, "nginx.conf"), `${asRoot}daemon off;\n${text}`);
    const cdn = await serve({
      command: need("nginx"),
      args: ["-c", path.join(dir, "nginx.conf"), "-p", dir, "-e", "stderr"],
      dir,
      url: address,
      port,
      probe: async () => (await fetch(`${address}/health`)).ok,
    });
    servers.push(cdn);
    const storage = openS3(url, address);
    const bytes = Buffer.from("bytes");
    const info = { size: bytes.length, contentType: "image/png" };
    for (const key of ["avatar/a/1", "posts/a/1"]) await storage.put(key, bytes, info);
    const open = storage.publicUrl("avatar/a/1") as string;
    const cache = async (at: string) => (await fetch(at)).headers.get("x-cache");
    expect([await cache(open), await cache(open), await cache(`${open}?x=1`)]).toEqual([
      "MISS",
      "HIT",
      "HIT",
    ]);
    const closed = storage.publicUrl("posts/a/1") as string;
    expect((await fetch(closed)).status).toBe(403);
    expect((await fetch(`${address}/club-alliance/`)).status).toBe(403);
    expect((await fetch(open, { method: "DELETE" })).status).toBe(403);
    const signed = await storage.signDownload("posts/a/1", 60);
    const answer = await fetch(signed.url);
    expect([answer.status, answer.headers.get("cache-control"), answer.headers.get("x-cache")]).toEqual([
      200,
      "private, no-store",
      null,
    ]);
    expect((await fetch(signed.url.replace(/(Signature=)./, "$1x"))).status).toBe(403);
    const upload = await storage.signUpload("uploads/u", info, 60);
    expect((await fetch(upload.url, { method: "PUT", headers: upload.headers, body: bytes })).status).toBe(
      200,
    );
    storage.close();
  }, 120_000);

  test("NATS takes its configuration and lets in who has a password of the secrets", async () => {
    const dir = await folder("nats");
    const [secrets, etc] = ["run/secrets", "etc/nats"].map((each) => path.join(dir, each)) as [
      string,
      string,
    ];
    await mkdir(etc, { recursive: true });
    await makeSecrets({ folder: secrets, place: "compose", hosts: ["localhost"] });
    const [port, monitor, route] = [await freePort(), await freePort(), await freePort()];
    const text = (await readFile(path.join(ROOT, "deploy/nats/nats.conf"), "utf8"))
      .replaceAll(" /run/secrets", ` ${secrets}`)
      .replace("0.0.0.0:4222", `127.0.0.1:${port}`)
      .replace("0.0.0.0:8222", `127.0.0.1:${monitor}`)
      .replace("0.0.0.0:6222", `127.0.0.1:${route}`)
      .replace(/routes: .*/, `routes: [tls://127.0.0.1:${route}]`)
      .replace("store_dir: /data", `store_dir: ${dir}/data`);
    await writeFile(path.join(etc, "nats.conf"), text);
    const server = await serve({
      command: need("nats-server"),
      args: ["-c", path.join(etc, "nats.conf")],
      dir,
      url: `tls://localhost:${port}`,
      port,
      env: { NATS_NAME: "nats-1" },
      probe: async () => (await fetch(`http://127.0.0.1:${monitor}/varz`)).ok,
    });
    servers.push(server);
    const password = (await readFile(path.join(secrets, "nats_password_users"), "utf8")).trim();
    const join = (pass: string) =>
      connect({
        servers: `localhost:${port}`,
        user: "users",
        pass,
        tls: { caFile: path.join(secrets, "authority.crt") },
        reconnect: false,
      });
    await (await join(password)).close();
    await expect(join("wrong")).rejects.toThrow(/Authorization/i);
  }, 120_000);
});
