/** Backups of a federation on servers, into a bucket: SQL, documents and objects come back, and the audit log is whole. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createConnection } from "mysql2/promise";
import type { RowDataPacket } from "mysql2/promise";
import { MongoClient } from "mongodb";
import { DOCUMENT_DOMAINS, SQL_DOMAINS } from "../../lib/settings.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { backup, begin, ended, idOf, restore } from "../support/backups.ts";
import { ADMIN } from "../support/admin.ts";
import type { Federation, Person } from "../support/federation.ts";
import { eventually, startFederation } from "../support/federation.ts";
import { Depot, picture } from "../support/files.ts";
import { Client } from "../support/http.ts";
import { describeWith, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer, Server } from "../support/servers/index.ts";
import { startMongodb } from "../support/servers/mongodb.ts";
import { startS3 } from "../support/servers/s3.ts";
import type { S3Server } from "../support/servers/s3.ts";

describeWith(["mariadb", "mongodb", "s3"], "backups of servers", () => {
  let mariadb: MariadbServer;
  let mongodb: Server;
  let s3: S3Server;
  let folder: string;
  let env: Record<string, string>;
  let federation: Federation;
  let president: Person;
  let club: string;
  let file: string;
  const to = "s3://backups/club-alliance";

  beforeAll(async () => {
    [mariadb, mongodb, s3] = await Promise.all([startMariadb(), startMongodb(), startS3()]);
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-backups-"));
    const target = new URL(await s3.createBucket("backups"));
    env = {
      DATA_DIR: folder,
      S3_URL: await s3.createBucket("club-alliance"),
      AWS_ENDPOINT_URL: target.origin,
      AWS_ACCESS_KEY_ID: decodeURIComponent(target.username),
      AWS_SECRET_ACCESS_KEY: decodeURIComponent(target.password),
    };
    for (const domain of SQL_DOMAINS) env[`${domain.toUpperCase()}_DB_URL`] = await mariadb.database(domain);
    for (const domain of DOCUMENT_DOMAINS)
      env[`${domain.toUpperCase()}_DB_URL`] = `${mongodb.url}/${domain}_${randomBytes(4).toString("hex")}`;
    const migrated = await ended(begin(["scripts/migrate.ts", "up"], env));
    if (migrated.code !== 0) throw new Error(migrated.output);
    federation = await startFederation({ env });
    await fill();
  }, 180_000);
  afterAll(async () => {
    await federation?.stop();
    await Promise.all([mariadb?.stop(), mongodb?.stop(), s3?.stop()]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const url = (domain: string): string => env[`${domain.toUpperCase()}_DB_URL`] as string;

  async function fill(): Promise<void> {
    const reviewer = await federation.register();
    president = await federation.register();
    const { token } = await federation.admin();
    await federation.ok("PUT", `/users/${reviewer.id}/roles`, { token, body: { roles: ["reviewer"] } });
    club = await federation.foundClub(president, reviewer, { name: "量子围棋社 🀄" });
    const depot = new Depot(federation, new Map(), new Set());
    ({ id: file } = await depot.upload(president, await picture(60, 60), { purpose: "avatar" }));
    await federation.ok("PATCH", "/users/me", { token: president.token, body: { avatarFileId: file } });
    await federation.ok("POST", "/posts", {
      token: president.token,
      body: { clubId: club, title: "News", body: "𠮷野家." },
    });
  }

  async function inSql(domain: string, sql: string): Promise<RowDataPacket[]> {
    const connection = await createConnection(url(domain));
    try {
      return (await connection.query<RowDataPacket[]>(sql))[0];
    } finally {
      await connection.end();
    }
  }

  async function titles(): Promise<string[]> {
    const client = new MongoClient(url("posts"));
    try {
      const found = await client.db().collection("posts").find().toArray();
      return found.map(({ title }) => String(title)).toSorted();
    } finally {
      await client.close();
    }
  }

  test("all comes back, and what came later is gone", async () => {
    const made = await backup([to], env);
    const id = idOf(made);
    expect(made.output).toContain("no replica set");
    const late = await federation.register();
    await federation.ok("POST", "/posts", {
      token: president.token,
      body: { clubId: club, title: "Later", body: "Gone." },
    });
    expect(await titles()).toEqual(["Later", "News"]);

    // While nodes work on the databases nothing is touched.
    expect((await restore([to, "--force"], env)).output).toMatch(/connections are open to the database/);
    await federation.stop();
    expect((await restore([to], env)).output).toMatch(/--force replaces it/);
    const { code, output } = await restore([to, "--backup", id, "--force"], env);
    expect(output).toMatch(/The audit log is whole: [1-9]\d* entries\./);
    expect(output).toMatch(/^Of .*posts.* not all is of the same moment/m);
    // The imitation of MongoDB does not know how.
    expect(output).toMatch(/^The server of .*posts.* does not tell who is connected/m);
    expect(code).toBe(0);
    expect(await titles()).toEqual(["News"]);
    expect(await inSql("users", `SELECT id FROM users WHERE id = '${late.id}'`)).toEqual([]);

    federation = await startFederation({ env });
    const { accessToken: token } = await federation.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: president.username, password: president.password },
    });
    expect(await federation.ok("GET", `/clubs/${club}`, { token })).toMatchObject({
      name: "量子围棋社 🀄",
      myRole: "president",
    });
    const picture = await federation.call("GET", `/files/${file}`, { token });
    expect((await fetch(picture.headers.location as string)).status).toBe(200);
    const admin = new Client(`http://127.0.0.1:${runtimeOf(federation.broker).ports.get("admin-api")}`);
    const signed = await eventually(async () => {
      const answer = await admin.send<{ accessToken: string }>("POST", "/admin/auth/login", {
        body: { login: ADMIN.email, password: ADMIN.password },
      });
      return answer.status < 300 ? answer.body.accessToken : undefined;
    }, 40_000);
    const verdict = await admin.send("GET", "/admin/audit/verify", { token: signed });
    admin.close();
    expect(verdict.body).toMatchObject({ ok: true, firstBroken: null });
  }, 240_000);

  test("a log that was changed before the backup is found at the restore", async () => {
    await inSql("admin", "UPDATE audit_entries SET result = 'another' ORDER BY chain, seq LIMIT 1");
    idOf(await backup([to], env));
    await federation.stop();
    const { code, output } = await restore([to, "--force"], env);
    federation = await startFederation({ env });
    expect(code).toBe(1);
    expect(output).toMatch(/The audit log is NOT whole: altered/);
  }, 180_000);

  test("a database that a restore has left without its migrations is not backed up", async () => {
    const client = new MongoClient(url("posts"));
    try {
      const ledger = client.db().collection("migrations");
      const rows = await ledger.find().toArray();
      await ledger.deleteMany({});
      const { code, output } = await backup([to], env);
      await ledger.insertMany(rows);
      expect(output).toMatch(/The store of posts has no migrations: .*restore again with --force/);
      expect(code).toBe(1);
    } finally {
      await client.close();
    }
  }, 60_000);

  test("a database that is away fails the backup, which leaves no manifest", async () => {
    const away = { ...env, CLUBS_DB_URL: "mysql://root@127.0.0.1:1/clubs" };
    expect((await backup([to], away)).code).toBe(1);
    const wrong = { ...env, AWS_SECRET_ACCESS_KEY: "wrong" };
    const refused = await backup([to], wrong);
    expect(refused.code).toBe(1);
    expect(refused.output).not.toContain("Backup 2");
  }, 120_000);
});
