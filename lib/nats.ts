/** Addresses of NATS servers as its client takes them. */

export interface NatsOptions {
  servers: string[];
  user?: string;
  pass?: string;
  /** Answers come to inboxes that other users may not hear. */
  inboxPrefix?: string;
  tls?: object;
  maxReconnectAttempts: number;
  ignoreAuthErrorAbort: boolean;
  reconnectTimeWait: number;
  timeout: number;
  pingInterval: number;
  maxPingOut: number;
}

/**
 * Options of a client that never gives up.
 * @param urls `nats://user:pass@host:port`, several separated by commas; with `tls:` the servers must prove who they
 *   are to what Node trusts (NODE_EXTRA_CA_CERTS adds the authority of a campus). The client itself would read a URL
 *   wrongly whose password is percent-encoded.
 */
export function natsOptions(urls: string): NatsOptions {
  const parsed = urls.split(",").map((each) => new URL(each.trim()));
  const first = parsed[0] as URL;
  return {
    servers: parsed.map((each) => each.host),
    ...(first.username && {
      user: decodeURIComponent(first.username),
      pass: decodeURIComponent(first.password),
      inboxPrefix: `_INBOX.${decodeURIComponent(first.username)}`,
    }),
    ...(parsed.some((each) => each.protocol === "tls:") && { tls: {} }),
    maxReconnectAttempts: -1,
    // Else it gives up when it is refused twice, as while somebody mends the servers' list of users.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 500,
    timeout: 3_000,
    // A server that is frozen, and not dead, is left after six seconds.
    pingInterval: 2_000,
    maxPingOut: 2,
  };
}
