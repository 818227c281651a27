/** The domains that show files, with real uploads; posts are answered from a table. */
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import type { ServiceSchema } from "moleculer";
import type { Database } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import type { Storage } from "../../lib/storage/index.ts";
import type { Answer as ActionAnswer, Params } from "../../lib/declare.ts";
import { Federation } from "./federation.ts";
import type { Caller } from "./federation.ts";
import { serves, startPlace } from "./place.ts";

export interface Stored {
  id: string;
  name: string;
  contentType: string;
  size: number;
  purpose: string;
  status: string;
  width: number | null;
  height: number | null;
  createdAt: string;
}

export interface Announced {
  file: Stored;
  upload: { method: string; url: string; headers: Record<string, string>; expiresAt: string };
}

export interface Announcement {
  name?: string;
  contentType?: string;
  size?: number;
  purpose?: string;
}

export interface Post {
  fileIds: string[];
  /** Null: everybody. */
  readers: string[] | null;
}

/** The parts of the service that tests look into. */
export interface FilesService {
  db: Database;
  storage: Storage;
  sweep(now: number): Promise<void>;
  sweepStorage(now: number): Promise<void>;
}

export class Depot {
  readonly federation: Federation;
  readonly posts: Map<string, Post>;
  /** Domains that do not answer. */
  readonly away: Set<string>;

  constructor(federation: Federation, posts: Map<string, Post>, away: Set<string>) {
    this.federation = federation;
    this.posts = posts;
    this.away = away;
  }

  get files(): FilesService {
    // A service is what its schema and mixins made of it.
    return this.federation.broker.getLocalService("files") as unknown as FilesService;
  }

  /** Where a client of the test reaches an address: an embedded gateway may be in another process. */
  at(url: string): string {
    const { pathname } = new URL(url);
    return pathname.startsWith("/blobs/") ? `${this.federation.url}${pathname}` : url;
  }

  announce(person: Caller, bytes: Buffer, announcement: Announcement = {}): Promise<Announced> {
    const body = {
      name: "picture.png",
      contentType: "image/png",
      size: bytes.length,
      purpose: "post",
      ...announcement,
    };
    return this.federation.ok<Announced>("POST", "/files", { token: person.token, body });
  }

  send(
    { upload }: Announced,
    bytes: Buffer | string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const { "content-length": _length, ...own } = upload.headers;
    const body = Buffer.isBuffer(bytes) ? new Uint8Array(bytes) : bytes;
    return patientFetch(this.at(upload.url), {
      method: upload.method,
      headers: { ...own, ...headers },
      body,
    });
  }

  /** Status and code of an answer. */
  async outcome(method: string, path: string, person: Caller | null, body?: unknown): Promise<string> {
    const answer = await this.federation.call<{ code?: string; errors?: { field: string; code: string }[] }>(
      method,
      path,
      { token: person?.token, body },
    );
    const { code, errors = [] } = answer.body ?? {};
    return [answer.status, code, ...errors.map((each) => `${each.field}=${each.code}`)]
      .filter(Boolean)
      .join(" ");
  }

  complete(person: Caller, id: string): Promise<Stored> {
    return this.federation.ok<Stored>("POST", `/files/${id}/complete`, { token: person.token });
  }

  /** A file that is ready. */
  async upload(person: Caller, bytes: Buffer, announcement: Announcement = {}): Promise<Stored> {
    const announced = await this.announce(person, bytes, announcement);
    const answer = await this.send(announced, bytes);
    if (answer.status !== 200) throw new Error(`The upload was answered by ${answer.status}`);
    return this.complete(person, announced.file.id);
  }

  /** The address that a file is at, for somebody or for nobody. */
  async address(person: Caller | null, id: string, query = ""): Promise<string> {
    const answer = await this.federation.call("GET", `/files/${id}${query}`, { token: person?.token });
    if (answer.status !== 302) throw new Error(`GET /files/${id}: ${answer.status}`);
    return this.at(answer.headers.location as string);
  }

  async fetch(
    person: Caller | null,
    id: string,
    query = "",
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return patientFetch(await this.address(person, id, query), { headers });
  }

  /** Every object that is kept. */
  async objects(): Promise<string[]> {
    return this.files.storage.list("");
  }

  async stop(): Promise<void> {
    await this.federation.stop();
  }
}

/** `fetch`, again while the gateway is busy: a busy machine sheds what is of low priority first. */
export async function patientFetch(url: string, init: RequestInit = {}): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(url, init);
    if (answer.status !== 503 || tries === 20) return answer;
    await answer.arrayBuffer();
    await sleep(500);
  }
}

const DOMAINS = ["gateway", "users", "clubs", "applications", "activities", "files"];

/** @param env over the defaults of the tests */
export async function startDepot(env: Record<string, string> = {}, domains = DOMAINS): Promise<Depot> {
  const [posts, away] = [new Map<string, Post>(), new Set<string>()];
  const place = await startPlace(
    domains,
    { ADMIN_EMAIL: "admin@example.edu", ADMIN_PASSWORD: "correct horse battery", LOG_LEVEL: "fatal", ...env },
    [standIn(posts, away)],
  );
  await serves(place.broker);
  return new Depot(new Federation(place), posts, away);
}

function standIn(posts: Map<string, Post>, away: Set<string>): ServiceSchema {
  const demand = (): void => {
    if (away.has("posts")) throw new AppError("UNAVAILABLE");
  };
  return {
    name: "posts",
    actions: {
      allows(ctx: { params: Params<"posts.allows"> }): ActionAnswer<"posts.allows"> {
        demand();
        const { id, user } = ctx.params;
        const post = posts.get(id);
        if (!post) return { verdict: "missing", grant: {} };
        const seen = post.readers === null || (user !== null && post.readers.includes(user));
        return { verdict: seen ? "yes" : "hidden", grant: {} };
      },
      files(ctx: { params: Params<"posts.files"> }): ActionAnswer<"posts.files"> {
        demand();
        return ctx.params.ids.flatMap((id) => {
          const post = posts.get(id);
          return post ? [{ id, fileIds: post.fileIds }] : [];
        });
      },
    },
  };
}

/** A picture of one colour. */
export function picture(
  width: number,
  height = width,
  format: "png" | "jpeg" | "webp" | "gif" = "png",
): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: "red" } })
    .toFormat(format)
    .toBuffer();
}
