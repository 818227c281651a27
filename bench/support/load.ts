/** A load generator: keep-alive connections, each with one request at a time, written and read as bytes. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";

const CONNECTIONS = 64;
const HEAD_END = Buffer.from("\r\n\r\n");

export interface Shot {
  port: number;
  method: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** The status that a good answer has, with a Content-Length; any other answer ends the measurement. */
  status: number;
}

/** Loads a server for `seconds`, waits for what is under way, and returns the number of answers. */
export async function load(shot: Shot, seconds: number): Promise<number> {
  const bytes = bytesOf(shot);
  const until = performance.now() + seconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => repeat(shot, bytes, () => performance.now() < until)),
  );
  return counts.reduce((sum, each) => sum + each, 0);
}

function bytesOf({ method, path, headers, body }: Shot): Buffer {
  const text = body === undefined ? "" : JSON.stringify(body);
  const all = {
    Host: "localhost",
    ...headers,
    ...(text && { "Content-Type": "application/json", "Content-Length": String(Buffer.byteLength(text)) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${text}`);
}

async function repeat(shot: Shot, bytes: Buffer, goOn: () => boolean): Promise<number> {
  const socket = connect(shot.port, "127.0.0.1");
  socket.setNoDelay(true);
  await once(socket, "connect");
  try {
    return await exchange(socket, shot, bytes, goOn);
  } finally {
    socket.destroy();
  }
}

function exchange(socket: Socket, shot: Shot, bytes: Buffer, goOn: () => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    let answers = 0;
    let held: Buffer | null = null;
    socket.on("error", reject);
    socket.on("close", () =>
      reject(new Error(`${shot.method} ${shot.path}: the server closed a connection.`)),
    );
    socket.on("data", (chunk: Buffer) => {
      const data: Buffer = held ? Buffer.concat([held, chunk]) : chunk;
      const length = lengthOf(data);
      held = data.length < length ? data : null;
      if (held) return;
      const status = Number(data.toString("latin1", 9, 12));
      if (status !== shot.status || length !== data.length)
        return reject(new Error(`${shot.method} ${shot.path} answered ${status}:\n${data.toString()}`));
      answers += 1;
      if (goOn()) socket.write(bytes);
      else resolve(answers);
    });
    socket.write(bytes);
  });
}

/** The length of the answer in `data`; Infinity while its head is not complete, 0 when it does not say. */
function lengthOf(data: Buffer): number {
  const end = data.indexOf(HEAD_END);
  if (end < 0) return Infinity;
  const length = /\r\ncontent-length: *(\d+)/i.exec(data.toString("latin1", 0, end))?.[1];
  return length === undefined ? 0 : end + HEAD_END.length + Number(length);
}
