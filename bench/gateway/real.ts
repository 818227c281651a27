/** The federation as it ships, its domains on embedded stores: what a request costs with its databases. */
import { Client } from "../../test/support/http.ts";
import { freePort } from "../../test/support/servers/child.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { newClub } from "../peers/club.ts";
import type { Processes } from "../support/processes.ts";
import type { Contender } from "../support/rounds.ts";
import { get, KEYS, OURS, tokenOf } from "./contenders.ts";

const PERSON = {
  username: "bench",
  email: "bench@club-alliance.example",
  password: "a-password-for-the-bench",
};

/** A gateway, and one node of all domains; a person who has founded a club and reads it. */
export async function withRealDomains(processes: Processes, tracingUrl: string): Promise<Contender> {
  const nats = await processes.nats();
  const common = { ...OURS, TRACING_URL: tracingUrl, NATS_URL: nats.url.replace("http:", "nats:") };
  const [port, frontHealth, backHealth] = [await freePort(), await freePort(), await freePort()];
  const ready = (health: number): { url: string } => ({ url: `http://127.0.0.1:${health}/health/ready` });
  const back = await processes.node(
    "scripts/node.ts",
    DOMAINS.filter((domain) => domain !== "gateway"),
    { ...common, JWT_KEYS: KEYS, ADMIN_JWT_KEYS: KEYS, HEALTH_PORT: `${backHealth}` },
    ready(backHealth),
  );
  const front = await processes.node(
    "scripts/node.ts",
    ["gateway"],
    { ...common, PORT: `${port}`, HEALTH_PORT: `${frontHealth}` },
    ready(frontHealth),
  );
  const client = new Client(`http://127.0.0.1:${port}`);
  const { user, accessToken } = await created<{ user: { id: string }; accessToken: string }>(
    client,
    "/auth/register",
    PERSON,
  );
  const club = await created<{ id: string }>(client, "/clubs", newClub, accessToken);
  client.close();
  const { sid } = JSON.parse(Buffer.from(accessToken.split(".")[1] as string, "base64url").toString()) as {
    sid: string;
  };
  return {
    name: "Club Alliance, everything on, with its databases",
    // The token that was given ends before the measurement may.
    shot: get(port, tokenOf({ sub: user.id, sid }), club.id),
    pids: { gateway: front.pid, service: back.pid, nats: nats.pid },
  };
}

async function created<T>(client: Client, path: string, body: unknown, token?: string): Promise<T> {
  const answer = await client.send<T>("POST", path, { body, token });
  if (answer.status === 201) return answer.body;
  throw new Error(`POST ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}
