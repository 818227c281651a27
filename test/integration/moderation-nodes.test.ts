/** The word list on three nodes: gateway, posts and users. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBroker } from "moleculer";
import { newId } from "../../lib/ids.ts";
import { generateKeySet } from "../../lib/keys.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import type { Word } from "../../services/posts/moderation.contract.ts";
import { eventually, Federation } from "../support/federation.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { describeWith, startNats } from "../support/servers/index.ts";

const MAX = 100_000;

describeWith(["nats"], "the word list on three nodes", () => {
  let nats: Awaited<ReturnType<typeof startNats>>;
  let places: Record<"gateway" | "posts" | "users", Place>;
  let federation: Federation;
  let env: Record<string, string>;
  let token: string;

  beforeAll(async () => {
    nats = await startNats();
    env = {
      NATS_URL: nats.url,
      NAMESPACE: newId(),
      ALLOW_EMBEDDED: "1",
      JWT_KEYS: JSON.stringify(generateKeySet()),
      ADMIN_EMAIL: "admin@example.edu",
      ADMIN_PASSWORD: "correct horse battery",
    };
    const users = await startPlace(["users"], env);
    const posts = await startPlace(["posts"], env);
    places = { users, posts, gateway: await startPlace(["gateway"], env) };
    const { readiness } = runtimeOf(places.gateway.broker);
    await eventually(
      async () => readiness.ready || undefined,
      40_000,
      () => JSON.stringify(readiness.reasons),
    );
    federation = new Federation(places.gateway);
    ({ token } = await federation.admin());
  }, 120_000);
  afterAll(async () => {
    for (const each of Object.values(places ?? {})) await each.stop();
    await nats?.stop();
  }, 60_000);

  const put = (words: Word[]) =>
    federation.call<{ words: number }>("PUT", "/moderation/words", { token, body: words });
  /** A name on the node of users. */
  const named = async (displayName: string): Promise<{ status: number; name?: string }> => {
    const { status, body } = await federation.call<{ displayName?: string }>("PATCH", "/users/me", {
      token,
      body: { displayName },
    });
    return { status, ...(body.displayName !== undefined && { name: body.displayName }) };
  };
  const inForce = (name: string, status: number): Promise<true> =>
    eventually(async () => ((await named(name)).status === status ? true : undefined), 30_000);

  test("a list passes through the gateway in both directions, as large as it may be", async () => {
    const words = Array.from({ length: MAX }, (_, i): Word => ({
      word: `词${i}尾巴很长很长很长`,
      action: "block",
    }));
    expect(await put(words)).toMatchObject({ status: 200, body: { words: MAX } });
    const { status, headers, body } = await federation.call<Word[]>("GET", "/moderation/words", { token });
    expect({ status, type: headers["content-type"] }).toEqual({ status: 200, type: "application/json" });
    expect(body).toEqual(words);
    const begun = Date.now();
    await inForce("词7尾巴很长很长很长", 422);
    console.log(`${MAX} words were in force after another ${Date.now() - begun} ms.`);
  }, 120_000);

  test("a body that nobody takes, or that breaks off, leaves nothing behind and changes nothing", async () => {
    await put([{ word: "kept", action: "block" }]);
    const pending = (): number =>
      (places.posts.broker.transit as unknown as { pendingReqStreams: Map<string, unknown> })
        .pendingReqStreams.size;
    const stranger = await federation.register();
    const spaces = " ".repeat(4 * 1_048_576);
    const large = {
      token: stranger.token,
      raw: `[]${spaces}`,
      headers: { "content-type": "application/json" },
    };
    expect((await federation.call("PUT", "/moderation/words", large)).status).toBe(403);
    await eventually(async () => pending() === 0 || undefined);
    const broken = fetch(`${federation.url}/moderation/words`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: ReadableStream.from(breaking()),
      duplex: "half",
    });
    await expect(broken).rejects.toThrow();
    await eventually(async () => pending() === 0 || undefined);
    expect(await federation.ok("GET", "/moderation/words", { token })).toEqual([
      { word: "kept", action: "block" },
    ]);
  }, 120_000);

  test("it is in force on other nodes than the one that keeps it", async () => {
    await put([
      { word: "elsewhere", action: "block" },
      { word: "rude", action: "mask" },
      { word: "doubtful", action: "hold" },
    ]);
    await inForce("Elsewhere", 422);
    expect(await named("A rude name")).toEqual({ status: 200, name: "A **** name" });
    // Nothing of a profile can be held.
    expect((await named("A doubtful name")).status).toBe(422);
    await put([]);
    await inForce("Elsewhere", 200);
  }, 120_000);

  test("a node that has just started knows it before it takes the first text", async () => {
    // Large enough that it is not there at once.
    const rest = Array.from({ length: 20_000 }, (_, i): Word => ({
      word: `第${i}个很长的词`,
      action: "block",
    }));
    await put([...rest, { word: "earliest", action: "block" }]);
    const late = await startPlace(["files"], env);
    const file = { name: "earliest.png", contentType: "image/png", size: 10, purpose: "avatar" };
    const options = { headers: { passport: token }, nodeID: late.broker.nodeID };
    await expect(late.broker.call("files.create", file, options)).rejects.toMatchObject({
      type: "FORBIDDEN_CONTENT",
    });
    await late.stop();
  }, 120_000);

  test("while nobody keeps it the last one stays in force", async () => {
    await put([{ word: "lasting", action: "block" }]);
    await inForce("Lasting", 422);
    await places.posts.stop();
    await gone(places.users.broker);
    expect((await named("Lasting")).status).toBe(422);
    expect((await named("Another")).status).toBe(200);
  }, 120_000);
});

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(`[${" ".repeat(200_000)}`);
  await sleep(200);
  throw new Error("The client has gone.");
}

async function gone(broker: ServiceBroker): Promise<void> {
  await eventually(async () => !broker.registry.actions.isAvailable("moderation.words") || undefined);
}
