/** A mail server that keeps what it takes, and can refuse or be away. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { simpleParser } from "mailparser";
import type { ParsedMail } from "mailparser";
import { SMTPServer } from "smtp-server";

export class MailServer {
  readonly port: number;
  readonly taken: { to: string; mail: ParsedMail }[] = [];
  /** How often somebody has connected. */
  connections = 0;
  /** What it says to whoever connects; null where it takes mails. */
  refusal: { responseCode: number } | null = null;
  /** Addresses that it never takes mail for. */
  readonly unknown = new Set<string>();
  #server: SMTPServer | null = null;

  constructor(port: number) {
    this.port = port;
  }

  /** One on a port that stays its own while it is away. */
  static async start(): Promise<MailServer> {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const server = new MailServer(port);
    await server.come();
    return server;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}?from=clubs@example.edu`;
  }

  /** Mails to an address. */
  to(address: string): ParsedMail[] {
    return this.taken.filter(({ to }) => to === address).map(({ mail }) => mail);
  }

  async come(): Promise<void> {
    const refused = (text: string, responseCode: number): Error =>
      Object.assign(new Error(text), { responseCode });
    this.#server = new SMTPServer({
      authOptional: true,
      // Clients keep their connections.
      closeTimeout: 50,
      disabledCommands: ["AUTH", "STARTTLS"],
      onConnect: (_session, done) => {
        this.connections += 1;
        done(this.refusal ? refused("come later", this.refusal.responseCode) : undefined);
      },
      onRcptTo: ({ address }, _session, done) =>
        done(this.unknown.has(address) ? refused("no such user", 550) : undefined),
      onData: (stream, session, done) => {
        void (async () => {
          const mail = await simpleParser(await text(stream));
          this.taken.push({ to: session.envelope.rcptTo[0]?.address ?? "", mail });
          done();
        })();
      },
    });
    // A client that is cut off is not this server's concern.
    this.#server.on("error", () => undefined);
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server.server, "listening");
  }

  async go(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server) await new Promise<void>((resolve) => server.close(resolve));
  }
}
