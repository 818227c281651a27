/** GET /notifications/stream: Server-Sent Events, which go on where the client's last one was. */
import { invalid } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import type { Exchange } from "./exchange.ts";
import { gather } from "./params.ts";
import type { Operation, Page } from "./routes.ts";
import type { Streams } from "./streams.ts";

/** Longer than any notification's id. */
const ID_LENGTH = 200;

export const streamPage = (streams: Streams): Page => ({
  action: "notifications.stream",
  async answer(exchange) {
    const { gateway, req, res, operation, user, session } = exchange;
    const last = lastEventId(exchange, operation as Operation);
    // Who is admitted has both; the rule of the contract demands a user.
    if (user === null || session === null) return;
    if (req.method === "HEAD") return begin(exchange, () => res.end());
    // A client that came just as this gateway ends is sent to another one, and not refused, which would end its tries.
    if (gateway.draining) return begin(exchange, () => res.end("retry: 1000\n\n"));
    const stream = streams.admit(user, session, res);
    try {
      await streams.place(stream, last);
    } catch (error) {
      stream.over = true;
      throw error;
    }
    if (exchange.over) return;
    if (gateway.revocations.has(session)) stream.over = true;
    gateway.streaming(exchange);
    begin(exchange, () => streams.begin(stream));
  },
});

/** What the browser sends by itself; the parameter is for a first connection, which cannot set the header. */
function lastEventId({ req, query }: Exchange, { form }: Operation): string | null {
  const errors: FieldError[] = [];
  const { lastEventId: given } = gather(form, {}, query, undefined, errors) as { lastEventId?: string };
  if ((given?.length ?? 0) > ID_LENGTH)
    errors.push({ field: "lastEventId", code: "TOO_LONG", values: { limit: ID_LENGTH } });
  if (errors.length > 0) throw invalid(...errors);
  // node joins what is given twice; no id is like that.
  const header = req.headers["last-event-id"];
  const id = (typeof header === "string" ? header : undefined) ?? given ?? "";
  return id === "" || id.length > ID_LENGTH ? null : id;
}

function begin({ gateway, res }: Exchange, write: () => void): void {
  res.statusCode = 200;
  res.setHeader("Content-Type", "text/event-stream");
  res.setHeader("Cache-Control", "no-store");
  res.setHeader("X-Accel-Buffering", "no");
  if (gateway.draining) res.setHeader("Connection", "close");
  res.flushHeaders();
  write();
}
