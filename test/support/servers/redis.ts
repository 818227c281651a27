import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { borrowed, folder, freePort, type Server, serve } from "./child.ts";
import { given, need } from "./found.ts";

/** Starts Redis, which keeps each write (append-only file). `args` are added to its command line. */
export async function startRedis({ args = [] }: { args?: string[] } = {}): Promise<Server> {
  const theirs = given("redis");
  if (theirs) return borrowed(theirs, 6379);

  const command = need("redis-server");
  const port = await freePort();
  const dir = await folder("redis");
  const own = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes"];
  return serve({
    command,
    args: [...own, ...args],
    dir,
    url: `redis://127.0.0.1:${port}`,
    port,
    async probe(pid) {
      const answer = await ask(port, "PING\r\nINFO server\r\nQUIT\r\n");
      if (!answer.startsWith("+PONG")) throw new Error(answer); // it reads its data first
      return answer.includes(`process_id:${pid}\r\n`);
    },
  });
}

async function ask(port: number, commands: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", signal: AbortSignal.timeout(1000) });
  socket.end(commands);
  return text(socket);
}
