/** `npm run cluster -- --servers`: a whole cluster on servers that it starts, used, and gone after Ctrl-C. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "../support/eventually.ts";
import { Client } from "../support/http.ts";
import { CLUSTER_SERVERS } from "../support/cluster.ts";
import { describeWith } from "../support/servers/index.ts";

describeWith([...CLUSTER_SERVERS, "elasticsearch", "s3"], "npm run cluster -- --servers", () => {
  test("serves on two gateways, and leaves nothing behind", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "club-alliance-try-"));
    const env = {
      ...process.env,
      DATA_DIR: path.join(folder, "data"),
      TMPDIR: folder,
      PORT: "0",
      ADMIN_PORT: "0",
    };
    const args = ["scripts/cluster.ts", "--servers"];
    const child = spawn(process.execPath, args, {
      cwd: path.join(import.meta.dirname, "..", ".."),
      env: { ...env, HOST: "127.0.0.1", LOG_LEVEL: "warn" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += String(data)));
    const over = once(child, "exit");
    try {
      await eventually(
        async () => {
          if (child.exitCode !== null) throw new Error(said);
          return said.includes("Ctrl-C stops it") || undefined;
        },
        420_000,
        () => said,
      );
      const urls = [...said.matchAll(/^ {2}gateway +pid \d+ +(\S+)/gm)].map(([, url]) => url as string);
      expect(urls).toHaveLength(2);
      const [one, other] = urls.map((url) => new Client(url)) as [Client, Client];
      const person = { username: "kim", email: "kim@example.edu", password: "a long enough passphrase" };
      const { status, body } = await one.send<{ accessToken: string }>("POST", "/auth/register", {
        body: person,
      });
      expect(status).toBe(201);
      const token = body.accessToken;
      const club = { name: "读书会", summary: "We read.", category: "academic" };
      const founded = await one.send<{ id: string }>("POST", "/clubs", { token, body: club });
      expect(founded.status).toBe(201);
      // Who has just written sees it, on the other gateway too.
      expect(await other.send("GET", "/clubs?mine=true", { token })).toMatchObject({
        status: 200,
        body: { items: [{ id: founded.body.id }] },
      });
      for (const client of [one, other]) client.close();
    } finally {
      child.kill("SIGINT");
      await over;
    }
    const left = (await readdir(folder)).filter((name) => !/^data$|template|node-compile-cache/.test(name));
    expect(left).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  }, 480_000);
});
