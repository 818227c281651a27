/** A federation in one process with a club whose activities people sign up for, made through REST. */
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../lib/ids.ts";
import { Client } from "../../test/support/http.ts";
import { freePort } from "../../test/support/servers/child.ts";
import { KEYS, OURS, tokenOf } from "../gateway/contenders.ts";
import { newClub } from "../peers/club.ts";
import type { Processes } from "../support/processes.ts";

const ADMIN = { email: "admin@club-alliance.example", password: "a password for the bench" };
const PRESIDENT = {
  username: "bench",
  email: "bench@club-alliance.example",
  password: "a-password-for-the-bench",
};
const WEEK = 7 * 86_400_000;
const APPROVAL_TRIES = 200;

export interface Stage {
  port: number;
  pid: number;
  /** Publishes an activity and returns the path at which people sign up. */
  activity(capacity: number | null, waitlist: boolean): Promise<string>;
  close(): void;
}

interface Signed {
  user: { id: string };
  accessToken: string;
}

/** Tokens of so many different people. */
export function people(count: number): string[] {
  return Array.from({ length: count }, () => {
    const { Authorization } = tokenOf({ sub: newId(), sid: newId() });
    return (Authorization as string).slice("Bearer ".length);
  });
}

/** @param profile folder for a CPU profile of the process, written when it ends */
export async function startStage(processes: Processes, profile: string | undefined): Promise<Stage> {
  const [port, health] = [await freePort(), await freePort()];
  const { pid } = await processes.node(
    "scripts/node.ts",
    [],
    {
      ...OURS,
      JWT_KEYS: KEYS,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      PORT: `${port}`,
      ADMIN_PORT: "0",
      HEALTH_PORT: `${health}`,
      ...(profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
    },
    { url: `http://127.0.0.1:${health}/health/ready` },
  );
  const client = new Client(`http://127.0.0.1:${port}`);
  const { accessToken: token } = await sent<Signed>(client, "POST", "/auth/register", PRESIDENT);
  const club = await foundClub(client, token);
  return {
    port,
    pid,
    async activity(capacity, waitlist) {
      const startsAt = new Date(Date.now() + WEEK).toISOString();
      const endsAt = new Date(Date.now() + WEEK + 3_600_000).toISOString();
      const body = { title: "A lecture", startsAt, endsAt, timezone: "Asia/Shanghai", capacity, waitlist };
      const { id } = await sent<{ id: string }>(client, "POST", `/clubs/${club}/activities`, body, token);
      await sent(client, "POST", `/activities/${id}/publish`, undefined, token);
      return `/activities/${id}/participation`;
    },
    close: () => client.close(),
  };
}

/** An active club, approved by the administrator. */
async function foundClub(client: Client, token: string): Promise<string> {
  const [category] = await sent<{ slug: string }[]>(client, "GET", "/categories");
  const body = { ...newClub, category: category?.slug };
  const { id } = await sent<{ id: string }>(client, "POST", "/clubs", body, token);
  const login = { login: ADMIN.email, password: ADMIN.password };
  const { user, accessToken: admin } = await sent<Signed>(client, "POST", "/auth/login", login);
  await sent(client, "PUT", `/users/${user.id}/roles`, { roles: ["admin", "reviewer"] }, admin);
  const task = await until(async () => {
    const { items } = await sent<{ items: { id: string; clubId: string }[] }>(
      client,
      "GET",
      "/reviews?status=open",
      undefined,
      admin,
    );
    return items.find((each) => each.clubId === id);
  });
  await sent(client, "POST", `/reviews/${task.id}/claim`, undefined, admin);
  await sent(client, "POST", `/reviews/${task.id}/decision`, { decision: "approve" }, admin);
  await until(async () => {
    const { status } = await sent<{ status: string }>(client, "GET", `/clubs/${id}`, undefined, token);
    return status === "active" || undefined;
  });
  return id;
}

async function until<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < APPROVAL_TRIES; tries++, await sleep(50)) {
    const found = await attempt();
    if (found !== undefined) return found;
  }
  throw new Error("The club of the bench was not approved in ten seconds.");
}

async function sent<T>(
  client: Client,
  method: string,
  path: string,
  body?: unknown,
  token?: string,
): Promise<T> {
  const answer = await client.send<T>(method, path, { body, token });
  if (answer.status < 300) return answer.body;
  throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}
