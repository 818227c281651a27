/** A way to a MySQL server that breaks off in the very moment of a commit. */
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/**
 * What becomes of the commit: the server takes it and the answer is lost; it never comes there; or it comes there
 * so late that the client has given up and closed the connection.
 */
export type Fate = "taken" | "lost" | "late";

export interface CommitGate {
  readonly port: number;
  /** Breaks the next commit of a transaction that has sent `marker`; resolves when it has. */
  arm: (marker: string, fate: Fate) => Promise<void>;
  stop: () => Promise<void>;
}

interface Trap {
  marker: string;
  fate: Fate;
  sprung: () => void;
}

/** Milliseconds from the client's end until a late commit comes to the server. */
const LATE = 1_500;

/** Starts the way to a port of this machine. */
export async function startCommitGate(upstream: number): Promise<CommitGate> {
  let trap: Trap | null = null;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(upstream, "127.0.0.1");
    let marked = false;
    let mute = false;
    let late: (() => void) | null = null;
    const end = (): void => {
      client.destroy();
      behind.destroy();
    };
    for (const socket of [client, behind]) {
      open.add(socket);
      socket.on("error", end).on("close", () => {
        open.delete(socket);
        if (late && socket === client) late();
        else end();
      });
    }
    client.on("data", (data) => {
      if (trap && data.includes(trap.marker)) marked = true;
      if (!trap || !marked || !data.includes("COMMIT")) {
        behind.write(data);
        return;
      }
      const { fate, sprung } = trap;
      trap = null;
      mute = true;
      behind.once(fate === "lost" ? "close" : "data", () => {
        end();
        sprung();
      });
      if (fate === "taken") behind.write(data);
      if (fate === "lost") end();
      if (fate === "late") late = () => setTimeout(() => behind.write(data), LATE);
    });
    behind.on("data", (data) => !mute && client.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    arm: (marker, fate) => new Promise((sprung) => (trap = { marker, fate, sprung })),
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
