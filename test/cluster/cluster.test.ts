/** Several processes of each domain over NATS, MariaDB and Redis: kills, restarts, outages. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Balancer, until } from "../support/balancer.ts";
import { CLUSTER_SERVERS, ADMIN, startCluster } from "../support/cluster.ts";
import type { Cluster } from "../support/cluster.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { describeWith } from "../support/servers/index.ts";

interface Person {
  id: string;
  token: string;
}

const DOMAINS = [
  "gateway",
  "gateway",
  "admin-gateway",
  "admin",
  "users",
  "users",
  "clubs",
  "clubs",
  "clubs",
  "applications",
  "applications",
  "activities",
  "posts",
  "files",
  "notifications",
  "search",
];

describeWith(CLUSTER_SERVERS, "a cluster of several processes", () => {
  let cluster: Cluster;
  let balancer: Balancer;
  let president: Person;
  let club: string;
  const kept: { name: string; key: string; body: object }[] = [];

  beforeAll(async () => {
    cluster = await startCluster(DOMAINS);
    balancer = new Balancer(cluster);
    await until("both gateways are ready", () => balancer.ready === 2);
    president = await register("president");
    const reviewer = await register("reviewer");
    const admin = await balancer.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: ADMIN.email, password: ADMIN.password },
    });
    await balancer.ok("PUT", `/users/${reviewer.id}/roles`, {
      token: admin.accessToken,
      body: { roles: ["reviewer"] },
    });
    club = await foundClub(president, reviewer, "Chess");
  }, 120_000);

  afterAll(async () => {
    await balancer?.stop();
    await cluster?.stop();
  }, 60_000);

  async function register(username: string): Promise<Person> {
    const { user, accessToken } = await balancer.ok<{ user: { id: string }; accessToken: string }>(
      "POST",
      "/auth/register",
      {
        body: { username, email: `${username}@example.edu`, password: `wooden ships ${username}` },
      },
    );
    return { id: user.id, token: accessToken };
  }

  const newClub = (name: string): object => ({ name, summary: "For tests", category: "academic" });

  async function foundClub(founder: Person, reviewer: Person, name: string): Promise<string> {
    const { id } = await balancer.ok<{ id: string }>("POST", "/clubs", {
      token: founder.token,
      body: newClub(name),
    });
    const tasks = await balancer.ok<{ items: { id: string; clubId: string }[] }>(
      "GET",
      "/reviews?status=open",
      { token: reviewer.token },
    );
    const task = tasks.items.find(({ clubId }) => clubId === id)?.id;
    await balancer.ok("POST", `/reviews/${task}/claim`, { token: reviewer.token });
    await balancer.ok("POST", `/reviews/${task}/decision`, {
      token: reviewer.token,
      body: { decision: "approve" },
    });
    await until(
      "the club is active",
      async () => (await balancer.send("GET", `/clubs/${id}`)).status === 200,
    );
    return id;
  }

  /** Sends 200 requests a second until `during` is over, and tells which were refused or lost. */
  async function under200(
    request: (i: number) => Promise<{ status: number }>,
    during: () => Promise<void>,
  ): Promise<string[]> {
    const failures: string[] = [];
    const running: Promise<void>[] = [];
    let over = false;
    const done = during().finally(() => (over = true));
    for (let i = 0; !over && i < 12_000; i++) {
      running.push(
        request(i).then(
          ({ status }) => void (status >= 400 && failures.push(`#${i}: ${status}`)),
          (error: Error) =>
            void failures.push(`#${i}: ${error.message} ${(error.cause as Error | undefined)?.message}`),
        ),
      );
      await sleep(5);
    }
    await done;
    await Promise.all(running);
    return failures;
  }

  function drop(node: ClusterNode): void {
    cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  }

  /** Both gateways know a node of clubs: a node is ready a moment before all have heard of it. */
  async function clubsAnswer(): Promise<void> {
    for (const through of cluster.of("gateway"))
      await until(
        "clubs are answered",
        async () => (await balancer.send("GET", "/clubs", { through })).status === 200,
      );
  }

  async function kill(node: ClusterNode): Promise<void> {
    drop(node);
    node.kill("SIGKILL");
    await node.exited;
  }

  test("a saga whose node is killed at any step is finished or undone by another node", async () => {
    await Promise.all(cluster.of("clubs").map(kill));
    for (const fault of ["before the review task", "after the review task", "before the answer"]) {
      const name = `Killed ${fault}`;
      const faulty = await cluster.start(
        "clubs",
        { FAULT: fault, FAULT_CLUB: name },
        "test/support/faulty-node.ts",
      );
      await clubsAnswer();
      const sent = { name, key: randomUUID(), body: newClub(name) };
      kept.push(sent);
      const answer = await balancer.send("POST", "/clubs", {
        token: president.token,
        body: sent.body,
        headers: { "idempotency-key": sent.key },
      });
      expect([201, 503]).toContain(answer.status);
      await faulty.exited;
      drop(faulty);
    }
    await Promise.all([1, 2, 3].map(() => cluster.start("clubs")));
    await clubsAnswer();
    const mine = async (): Promise<string[]> => {
      const page = await balancer.ok<{ items: { name: string }[] }>("GET", "/clubs?mine=true&limit=100", {
        token: president.token,
      });
      return page.items.map(({ name }) => name).toSorted();
    };
    await until("every saga has ended", async () => (await mine()).length === 1 + kept.length);
    expect(await mine()).toEqual(["Chess", ...kept.map(({ name }) => name)].toSorted());
  }, 120_000);

  test("a killed node costs no safe call, and is out of choice at its first time-out", async () => {
    const [victim] = cluster.of("clubs") as [ClusterNode];
    const failures = await under200(
      (i) => balancer.send("GET", `/clubs/${club}`, i % 2 ? { token: president.token } : {}),
      async () => {
        await sleep(1_000);
        await kill(victim);
        await sleep(4_000);
      },
    );
    expect(failures).toEqual([]);
    const told = cluster
      .of("gateway")
      .flatMap(({ log }) =>
        log.filter((line) => line.includes("taken for gone") && line.includes(String(victim.pid))),
      );
    expect(told.length).toBeGreaterThan(0);
    await cluster.start("clubs");
  }, 60_000);

  test("a write to a killed node, repeated with its Idempotency-Key, has exactly one effect", async () => {
    const people: Person[] = [];
    for (let i = 0; i < 24; i++) people.push(await register(`applicant-${i}`));
    const [victim] = cluster.of("applications") as [ClusterNode];
    const applied = people.map(async (person, i) => {
      await sleep(i * 20);
      return balancer.ok("POST", `/clubs/${club}/applications`, {
        token: person.token,
        body: { message: "Hello" },
        headers: { "idempotency-key": "apply" },
      });
    });
    await sleep(200);
    await kill(victim);
    await Promise.all(applied);
    for (const person of people) {
      const own = await balancer.ok<{ items: unknown[] }>("GET", "/users/me/applications", {
        token: person.token,
      });
      expect(own.items).toHaveLength(1);
    }
    await cluster.start("applications");
  }, 150_000);

  test("a session that ended on one gateway has ended on the other", async () => {
    const [first, second] = cluster.of("gateway") as [ClusterNode, ClusterNode];
    const person = await register("leaver");
    expect((await balancer.send("GET", "/users/me", { token: person.token, through: second })).status).toBe(
      200,
    );
    expect(
      (await balancer.send("POST", "/auth/logout", { token: person.token, through: first })).status,
    ).toBe(204);
    await until(
      "the other gateway refuses",
      async () =>
        (await balancer.send("GET", "/users/me", { token: person.token, through: second })).status === 401,
    );
  });

  test("a rolling restart of every node fails no request at all", async () => {
    const failures = await under200(
      (i) =>
        i % 20 === 0
          ? balancer.send("PUT", `/clubs/${club}/favorite`, { token: president.token })
          : balancer.send("GET", `/clubs/${club}`, { token: president.token }),
      async () => {
        for (const old of cluster.nodes.filter(({ domain }) =>
          ["gateway", "users", "clubs", "applications"].includes(domain),
        )) {
          const fresh = await cluster.start(old.domain);
          if (old.domain === "gateway")
            await until("the new gateway gets requests", () => balancer.ready >= 3);
          expect(fresh.pid).not.toBe(old.pid);
          old.kill("SIGTERM");
          expect([old.domain, await old.exited]).toEqual([old.domain, 0]);
          drop(old);
        }
      },
    );
    expect(failures).toEqual([]);
  }, 300_000);

  test("without NATS calls fail fast, and the cluster heals by itself", async () => {
    const [gateway] = cluster.of("gateway") as [ClusterNode];
    await cluster.nats.kill();
    await until("calls are refused", async () => {
      const answer = await balancer.send("GET", `/clubs/${club}`, { through: gateway });
      return answer.status === 503 && Number(answer.headers.get("retry-after")) > 0;
    });
    expect(await fetch(gateway.health).then(({ status }) => status)).toBe(503);
    await cluster.nats.restart();
    await until(
      "calls are answered",
      async () => (await balancer.send("GET", `/clubs/${club}`, { through: gateway })).status === 200,
    );
    await until("both gateways are ready again", () => balancer.ready === 2);
  }, 60_000);

  test("nobody wanted to say or hear what its user may not", async () => {
    expect(await cluster.nats.violations()).toEqual([]);
  });

  test("the repeat of a founding that was cut off finds its own club", async () => {
    for (const { name, key, body } of kept) {
      const again = await balancer.ok<{ id: string; name: string }>("POST", "/clubs", {
        token: president.token,
        body,
        headers: { "idempotency-key": key },
      });
      expect(again.name).toBe(name);
    }
    const mine = await balancer.ok<{ items: unknown[] }>("GET", "/clubs?mine=true&limit=100", {
      token: president.token,
    });
    expect(mine.items).toHaveLength(1 + kept.length);
  }, 120_000);
});
