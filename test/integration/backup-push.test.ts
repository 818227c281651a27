/** `npm run backup -- … --push`: what monitoring hears of a backup, by the command. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { DOCUMENT_DOMAINS, SQL_DOMAINS } from "../../lib/settings.ts";
import { backup, idOf } from "../support/backups.ts";
import { startFederation } from "../support/federation.ts";
import type { Federation } from "../support/federation.ts";

let root: string;
let env: { DATA_DIR: string };
let federation: Federation;
let gateway: Server;
let address: string;
const pushed: { method: string; url: string; body: string }[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "club-alliance-push-"));
  env = { DATA_DIR: path.join(root, "data") };
  federation = await startFederation({ env });
  gateway = createServer((request, response) => {
    void text(request).then((body) => {
      pushed.push({ method: request.method ?? "", url: request.url ?? "", body });
      response.writeHead(202).end();
    });
  }).listen(0, "127.0.0.1");
  await once(gateway, "listening");
  address = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
}, 60_000);
afterAll(async () => {
  gateway?.close();
  await federation?.stop();
  await rm(root, { recursive: true, force: true });
}, 60_000);

test("each store's time and size", async () => {
  const before = Date.now();
  idOf(await backup([path.join(root, "to"), "--push", address], env));
  expect(pushed).toEqual([
    { method: "POST", url: "/metrics/job/club-alliance-backup", body: expect.any(String) },
  ]);
  const values = new Map(
    [...(pushed[0]?.body ?? "").matchAll(/^(\w+)\{store="(\w+)"\} (\S+)$/gm)].map(
      ([, name, store, value]) => [`${name} ${store}`, Number(value)],
    ),
  );
  for (const store of [...SQL_DOMAINS, ...DOCUMENT_DOMAINS, "objects"]) {
    const at = 1_000 * (values.get(`club_alliance_backup_success_timestamp_seconds ${store}`) ?? 0);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  }
  for (const store of [...SQL_DOMAINS, ...DOCUMENT_DOMAINS])
    expect(values.get(`club_alliance_backup_bytes ${store}`)).toBeGreaterThan(0);
}, 60_000);

test("one that is away fails no backup, and is told of", async () => {
  gateway.close();
  const { code, output } = await backup([path.join(root, "to"), "--push", address], env);
  expect(code).toBe(0);
  expect(output).toMatch(/^Backup \S+: /m);
  expect(output).toMatch(/The backup is made, but the Pushgateway "http:\/\/127\.0\.0\.1:\d+" was not told/);
}, 60_000);
