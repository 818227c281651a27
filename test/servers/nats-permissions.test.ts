/** What a node that somebody has taken over can do on the bus with its user: what its domain's code does, and no more. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "nats";
import type { NatsConnection } from "nats";
import { natsUsers, OPERATOR, permissionsOf } from "../../lib/nats-permissions.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { EVENTS, talkOf } from "../../scripts/nats-talk.ts";
import { makeCertificates } from "../support/servers/certificates.ts";
import { describeWith } from "../support/servers/index.ts";
import { startNatsCluster } from "../support/servers/nats-cluster.ts";
import type { NatsCluster } from "../support/servers/nats-cluster.ts";

const talk = talkOf();

test("calls are those of the code", () => {
  const calls = Object.fromEntries([...talk.calls].map(([domain, to]) => [domain, [...to].toSorted()]));
  expect(calls["gateway"]).toEqual([
    "activities",
    "applications",
    "clubs",
    "files",
    "notifications",
    "posts",
    "users",
  ]);
  // One node of it asks another that owns a roster.
  expect(calls["activities"]).toContain("activities");
  // Its own domain alone, which no other gateway may call.
  expect(calls["admin-gateway"]).toEqual(["admin"]);
  expect([...talk.events].filter(([, to]) => to.has("admin-gateway")).map(([from]) => from)).toEqual([
    "admin",
  ]);
  expect(calls["search"]).toEqual(["clubs", "posts"]);
  expect(calls["clubs"]).toContain("search");
  expect(calls["applications"]).not.toContain("search");
  // Its texts are filtered, by a list that is asked for.
  expect(calls["applications"]).toContain("posts");
});

test("every event that is broadcast is one that the permissions know of", () => {
  const root = path.join(import.meta.dirname, "..", "..");
  const files = ["services", "mixins", "middlewares", "lib"].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" }).map((each) =>
      path.join(root, folder, each),
    ),
  );
  const told = files
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/\.(?:broadcast|emit)\(\s*"([\w.]+)"/g)])
    .map(([, event]) => event);
  expect(new Set(told)).toEqual(new Set(Object.keys(EVENTS)));
});

test("no user but the operator's may call or hear every domain", () => {
  for (const domain of DOMAINS) {
    const { publish, subscribe } = permissionsOf(domain, "x", talk);
    expect([...publish, ...subscribe]).not.toContain("MOL-x.REQ.*.*");
    expect(subscribe.filter((subject) => subject.includes("REQ"))).toEqual([`MOL-x.REQ.${domain}.*`]);
  }
});

describeWith(["nats"], "a user of NATS", () => {
  let folder: string;
  let nats: NatsCluster;
  let authority: string;
  const open: NatsConnection[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-tls-"));
    const files = await makeCertificates(folder);
    authority = await readFile(files.authority, "utf8");
    const passwords = new Map([...DOMAINS, OPERATOR].map((domain) => [domain, "secret"]));
    const tls = `tls { cert_file: "${files.certificate}", key_file: "${files.key}" }`;
    const config = `${tls}\n${natsUsers(passwords, "x", talk)}`;
    nats = await startNatsCluster({ config, scheme: "tls" });
  }, 60_000);
  afterAll(async () => {
    await Promise.all(open.map((each) => each.close()));
    await nats.stop();
    await rm(folder, { recursive: true });
  });

  async function as(user: string, pass = "secret"): Promise<NatsConnection> {
    const servers = nats.nodes.map(({ port }) => `127.0.0.1:${port}`);
    const connection = await connect({ servers, user, pass, tls: { ca: authority }, reconnect: false });
    open.push(connection);
    return connection;
  }

  /** Whether what one says on a subject reaches who hears everything on it. */
  async function reaches(user: string, subject: string, hearer: string): Promise<boolean> {
    const [from, to] = [await as(user), await as(hearer)];
    let heard = false;
    to.subscribe(subject, { callback: (error) => (heard ||= !error) });
    await to.flush();
    // Other servers of the cluster hear of a listener a little later.
    for (let n = 0; n < 20 && !heard; n++) {
      from.publish(subject, "{}");
      await from.flush();
      await sleep(50);
    }
    return heard;
  }

  test.each([
    ["search", "MOL-x.REQ.clubs.host~1", "clubs", true],
    ["search", "MOL-x.REQ.applications.host~1", "applications", false],
    ["search", "MOL-x.REQ.notifications.host~1", "notifications", false],
    ["gateway", "MOL-x.REQ.users.host~1", "users", true],
    ["gateway", "MOL-x.REQ.search.host~1", "search", false],
    ["gateway", "MOL-x.REQ.admin.host~1", "admin", false],
    ["admin-gateway", "MOL-x.REQ.admin.host~1", "admin", true],
    ["admin-gateway", "MOL-x.REQ.users.host~1", "users", false],
    ["admin", "MOL-x.EVENT.admin-gateway.host~1", "admin-gateway", true],
    ["admin", "MOL-x.EVENT.gateway.host~1", "gateway", true],
    ["gateway", "MOL-x.EVENT.admin-gateway.host~1", "admin-gateway", false],
    ["notifications", "MOL-x.EVENT.gateway.host~1", "gateway", true],
    ["search", "MOL-x.EVENT.gateway.host~1", "gateway", false],
    ["users", "MOL-x.EVENT.gateway.host~1", "gateway", true],
    ["repl", "MOL-x.REQ.search.host~1", "search", true],
    ["search", "MOL-other.REQ.clubs.host~1", "clubs", false],
  ])("%s to %s: heard by %s: %s", async (user, subject, hearer, expected) => {
    expect(await reaches(user, subject, hearer)).toBe(expected);
  });

  test.each([
    ["search", "MOL-x.REQ.users.*"],
    ["search", "MOL-x.RES.gateway.*"],
    ["clubs", "_INBOX.users.>"],
    ["gateway", ">"],
  ])("%s cannot listen to %s", async (user, subject) => {
    const connection = await as(user);
    const refused = new Promise<boolean>((resolve) => {
      connection.subscribe(subject, { callback: (error) => resolve(error !== null) });
      setTimeout(() => resolve(false), 2_000);
    });
    expect(await refused).toBe(true);
  });

  test("nobody comes in with a wrong password, or without TLS", async () => {
    await expect(as("clubs", "wrong")).rejects.toThrow(/authorization/i);
    const servers = nats.nodes.map(({ port }) => `127.0.0.1:${port}`);
    await expect(
      connect({ servers, user: "clubs", pass: "secret", tls: {}, reconnect: false }),
    ).rejects.toThrow();
    await expect(connect({ servers, user: "clubs", pass: "secret", reconnect: false })).rejects.toThrow();
  });
});
