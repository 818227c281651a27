/**
 * Lets the client of Elasticsearch 8 talk to OpenSearch: it demands a header that names the product, media types of its
 * own, and calls points in time by other paths.
 */
import { Agent, createServer, request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

export interface EsProxy {
  close: () => Promise<void>;
}

interface Translated {
  path: string;
  body: Buffer;
  /** Turns the body of the answer into what Elasticsearch would say. */
  answer?: (body: Record<string, unknown>) => object;
}

/** Listens on `port` and passes everything on to OpenSearch on `target`, both on 127.0.0.1. */
export async function startEsProxy(port: number, target: number): Promise<EsProxy> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((req, res) => {
    pass(req, res, target, agent).catch((error: unknown) => {
      if (!res.headersSent) res.writeHead(502);
      res.end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  server.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function pass(req: IncomingMessage, res: ServerResponse, port: number, agent: Agent): Promise<void> {
  const { path, body, answer } = translate(req.method ?? "GET", req.url ?? "/", await buffer(req));
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = headersOf(req.headers, body, answer !== undefined);
    request({ host: "127.0.0.1", port, method: req.method, path, headers, agent }, resolve)
      .on("error", reject)
      .end(body);
  });
  const headers = { ...reply.headers, "x-elastic-product": "Elasticsearch" };
  const status = reply.statusCode ?? 502;
  if (!answer || status > 299) {
    res.writeHead(status, headers);
    reply.pipe(res);
    return;
  }
  const said = JSON.parse((await buffer(reply)).toString()) as Record<string, unknown>;
  res.writeHead(status, { "x-elastic-product": "Elasticsearch", "content-type": "application/json" });
  res.end(JSON.stringify(answer(said)));
}

function translate(method: string, url: string, body: Buffer): Translated {
  const opening = method === "POST" && /^\/([^/?]+)\/_pit(\?.*)?$/.exec(url);
  if (opening)
    return {
      path: `/${opening[1]}/_search/point_in_time${opening[2] ?? ""}`,
      body,
      answer: ({ pit_id: id, _shards: shards }) => ({ id, _shards: shards }),
    };
  if (method === "DELETE" && /^\/_pit(\?.*)?$/.test(url)) {
    const { id } = JSON.parse(body.toString()) as { id: string | string[] };
    return {
      path: "/_search/point_in_time",
      body: Buffer.from(JSON.stringify({ pit_id: [id].flat() })),
      answer: ({ pits }) => ({ succeeded: true, num_freed: (pits as unknown[]).length }),
    };
  }
  return { path: url, body };
}

function headersOf(given: IncomingHttpHeaders, body: Buffer, plain: boolean): IncomingHttpHeaders {
  const { "transfer-encoding": _chunked, "accept-encoding": encoding, host: _host, ...headers } = given;
  const media = (value: string | undefined): string | undefined =>
    value?.replace(
      /application\/vnd\.elasticsearch\+(json|x-ndjson)\s*;\s*compatible-with=\d+/g,
      "application/$1",
    );
  for (const name of ["content-type", "accept"] as const)
    if (headers[name] !== undefined) headers[name] = media(headers[name]) as string;
  if (body.length > 0) headers["content-length"] = String(body.length);
  else delete headers["content-length"];
  return { ...headers, ...(!plain && encoding !== undefined && { "accept-encoding": encoding }) };
}
