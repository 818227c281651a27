import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { connect } from "amqplib";
import { connects, folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

export interface RabbitmqServer extends Server {
  /** Between kill() and restart(): it has lost its disk. */
  wipe: () => Promise<void>;
}

/** Starts RabbitMQ, alone, with its own epmd. Its data outlives kill() and restart(). */
export async function startRabbitmq(): Promise<RabbitmqServer> {
  const command = need("/usr/lib/rabbitmq/bin/rabbitmq-server");
  const [dir, port, distribution] = [await folder("rabbitmq"), await freePort(), await freePort()];
  const epmd = await startEpmd();
  const cookie = join(dir, ".erlang.cookie");
  await writeFile(cookie, randomBytes(12).toString("hex").toUpperCase());
  await chmod(cookie, 0o400);
  await mkdir(join(dir, "mnesia"));
  await writeFile(join(dir, "plugins"), "[].\n");
  await writeFile(join(dir, "env"), "");
  await writeFile(join(dir, "rabbitmq.conf"), `listeners.tcp.local = 127.0.0.1:${port}\n`);
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  const server = await serve({
    command,
    args: [],
    dir,
    url,
    port,
    startLimit: 60_000,
    env: {
      HOME: dir,
      ERL_EPMD_PORT: `${epmd.port}`,
      ERL_EPMD_ADDRESS: "127.0.0.1",
      RABBITMQ_NODENAME: `test${port}@localhost`,
      RABBITMQ_MNESIA_BASE: join(dir, "mnesia"),
      RABBITMQ_CONFIG_FILE: join(dir, "rabbitmq.conf"),
      RABBITMQ_CONF_ENV_FILE: join(dir, "env"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, "plugins"),
      RABBITMQ_NODE_PORT: "",
      RABBITMQ_DIST_PORT: `${distribution}`,
      RABBITMQ_LOGS: "-",
      // Then the process that we start becomes the broker, else a kill would leave it running.
      RUNNING_UNDER_SYSTEMD: "true",
    },
    async probe() {
      const connection = await connect(url, { timeout: 1000 });
      await connection.close();
      return true;
    },
  }).catch(async (error: unknown) => {
    await epmd.stop();
    throw error;
  });
  const stop = server.stop;
  return Object.assign(server, {
    async wipe() {
      await rm(join(dir, "mnesia"), { recursive: true });
      await mkdir(join(dir, "mnesia"));
    },
    async stop() {
      await stop();
      await epmd.stop();
    },
  });
}

/** Erlang's table of ports; one for each broker, so that none finds another's. */
async function startEpmd(): Promise<Server> {
  const [dir, port] = [await folder("epmd"), await freePort()];
  return serve({
    command: need("epmd"),
    args: ["-port", `${port}`, "-address", "127.0.0.1"],
    dir,
    url: `tcp://127.0.0.1:${port}`,
    port,
    probe: () => connects(port),
  });
}
