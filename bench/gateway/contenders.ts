/** What is measured against what: each contender with its processes. */
import { createServer } from "node:http";
import type { Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import { freePort } from "../../test/support/servers/child.ts";
import { CLUB_ID, newClub } from "../peers/club.ts";
import type { Shot } from "../support/load.ts";
import type { Processes } from "../support/processes.ts";
import type { Contender } from "../support/rounds.ts";

/** Signs the tokens of all who ask; a node of users gets it, others its public half. */
const keys = generateKeySet();
const signer = new Signer(parseKeySet(JSON.stringify(keys), "the bench's key set"), "public");
const TOKEN_SECONDS = 3600;

export const KEYS = JSON.stringify(keys);
const PUBLIC_KEYS = JSON.stringify(signer.publicJwks());

/** The header of a signed-in request. */
export function tokenOf(person: { sub: string; sid: string }): Record<string, string> {
  return { Authorization: `Bearer ${signer.sign(person, TOKEN_SECONDS)}` };
}

const PERSON = { sub: "01990000-0000-7000-8000-0000000000aa", sid: "01990000-0000-7000-8000-0000000000bb" };

/** Everything on, and nothing refused: limits count but are never reached. */
export const OURS: Record<string, string> = {
  LOG_FORMAT: "json",
  LOG_LEVEL: "info",
  RATE_LIMIT_ANONYMOUS: "1000000000",
  RATE_LIMIT_USER: "1000000000",
  RATE_LIMIT_AUTH: "1000000000",
  ALLOW_EMBEDDED: "1",
  HEALTH_PORT: "0",
  ADMIN_PORT: "0",
  PUBLIC_KEYS,
};

/** Takes traces and forgets them; runs in the process that makes the load. */
export async function traceSink(): Promise<{ url: string; server: HttpServer }> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(202).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

export const get = (port: number, headers: Record<string, string> = {}, id = CLUB_ID): Shot => ({
  port,
  method: "GET",
  path: `/clubs/${id}`,
  headers,
  status: 200,
});

const post = (port: number, headers: Record<string, string> = {}): Shot => ({
  port,
  method: "POST",
  path: "/clubs",
  headers,
  body: newClub,
  status: 201,
});

/** What a contender over NATS is made of: two scripts with their arguments, and what they need. */
interface Pair {
  name: string;
  gateway: [script: string, ...args: string[]];
  service: [script: string, ...args: string[]];
  env: Record<string, string>;
  headers?: Record<string, string>;
}

/** Contenders of a gateway, a NATS server and a service, each with three processes of its own. */
export async function overNats(processes: Processes, tracingUrl: string): Promise<Contender[]> {
  const metricsPorts = [await freePort(), await freePort()];
  const pairs: Pair[] = [
    {
      name: "Club Alliance, everything on",
      gateway: ["scripts/node.ts", "gateway"],
      service: ["bench/nodes/ours.ts", "service"],
      env: { ...OURS, TRACING_URL: tracingUrl },
      headers: tokenOf(PERSON),
    },
    {
      name: "moleculer-web, bare",
      gateway: ["bench/peers/moleculer.mjs", "gateway", "bare"],
      service: ["bench/peers/moleculer.mjs", "service", "bare"],
      env: {},
    },
    {
      name: "moleculer-web, Moleculer's own metrics, traces, log, breaker, retry",
      gateway: ["bench/peers/moleculer.mjs", "gateway", "stock", `${metricsPorts[0]}`],
      service: ["bench/peers/moleculer.mjs", "service", "stock", `${metricsPorts[1]}`],
      env: { TRACING_URL: tracingUrl },
    },
    {
      name: "NestJS on Fastify, bare",
      gateway: ["bench/peers/nest.mjs", "gateway"],
      service: ["bench/peers/nest.mjs", "service"],
      env: {},
    },
  ];
  const contenders: Contender[] = [];
  for (const each of pairs) contenders.push(await start(processes, each));
  return contenders;
}

async function start(
  processes: Processes,
  { name, gateway, service, env, headers }: Pair,
): Promise<Contender> {
  const nats = await processes.nats();
  const NATS_URL = nats.url.replace("http:", "nats:");
  const port = await freePort();
  const [serviceScript, ...serviceArgs] = service;
  const [gatewayScript, ...gatewayArgs] = gateway;
  const back = await processes.node(serviceScript, serviceArgs, { ...env, NATS_URL });
  const url = `http://127.0.0.1:${port}/clubs/${CLUB_ID}`;
  const front = await processes.node(
    gatewayScript,
    gatewayArgs,
    { ...env, NATS_URL, PORT: `${port}` },
    { url, headers },
  );
  return { name, shot: get(port, headers), pids: { gateway: front.pid, service: back.pid, nats: nats.pid } };
}

/** Contenders of one process, without NATS. */
export async function inOneProcess(processes: Processes, tracingUrl: string): Promise<Contender[]> {
  const ours = { ...OURS, TRACING_URL: tracingUrl };
  const one = async (
    script: string,
    args: string[],
    env: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<{ port: number; pids: { process: number } }> => {
    const port = await freePort();
    const ready = { url: `http://127.0.0.1:${port}/clubs/${CLUB_ID}`, headers };
    const { pid } = await processes.node(script, args, { ...env, PORT: `${port}` }, ready);
    return { port, pids: { process: pid } };
  };
  const token = tokenOf(PERSON);
  const fastify = await one("bench/peers/fastify.mjs", [], {});
  const web = await one("bench/peers/moleculer.mjs", ["local", "bare"], {});
  const own = await one("bench/nodes/ours.ts", ["local"], ours, token);
  const few = await one("bench/nodes/ours.ts", ["routes", "1"], ours);
  const many = await one("bench/nodes/ours.ts", ["routes", "300"], ours);
  return [
    { name: "GET, Fastify", shot: get(fastify.port), pids: fastify.pids },
    { name: "GET, moleculer-web, bare", shot: get(web.port), pids: web.pids },
    { name: "GET, Club Alliance, everything on", shot: get(own.port, token), pids: own.pids },
    { name: "POST, Fastify", shot: post(fastify.port), pids: fastify.pids },
    { name: "POST, moleculer-web, bare", shot: post(web.port), pids: web.pids },
    { name: "POST, Club Alliance, everything on", shot: post(own.port, token), pids: own.pids },
    { name: "GET, Club Alliance with 1 route", shot: get(few.port), pids: few.pids },
    { name: "GET, Club Alliance with 300 routes", shot: get(many.port), pids: many.pids },
  ];
}
