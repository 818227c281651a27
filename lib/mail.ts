/** Mail out: by SMTP, or, where there is no server, as a file for each mail. */
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { createTransport } from "nodemailer";
import type { Address, SendMailOptions, SMTPPoolOptions } from "nodemailer";

export interface Mail {
  /** One address, as the account has it. */
  to: string;
  subject: string;
  text: string;
  html?: string;
  /**
   * Names the mail: letters, digits and `._:-`, at most 128. The same id gives the same Message-ID, by which a mail
   * that is sent again can be recognized.
   */
  id: string;
  /** Where a POST stops such mails, for the button that mail programs show (RFC 8058). */
  unsubscribe?: string | undefined;
}

export interface Mailer {
  /** Resolves when the server has taken the mail, or the file is on the disk; else fails, and may be called again. */
  send(mail: Mail): Promise<void>;
  /** Mails under way are finished, no new ones are taken. */
  close(): void;
}

interface Log {
  info(message: string): void;
}

/** More than this is no answer (milliseconds). */
const CONNECT_MS = 10_000;
const SILENCE_MS = 30_000;

/**
 * A mailer by `mailUrl`: `smtp://user:pass@host:587` (STARTTLS, demanded where there is a password and the host is not
 * this one) or `smtps://user:pass@host:465`; `?from=` is the sender, else `Club Alliance <no-reply@host>`. Without a
 * URL each mail is a file `mail/<time>-<id>.eml` in `dataDir`, and `log` is told its name.
 * Throws an Error with a sentence about MAIL_URL when the URL is none of these.
 */
export function createMailer(mailUrl: string | undefined, dataDir: string, log: Log): Mailer {
  return mailUrl === undefined ? fileMailer(join(dataDir, "mail"), log) : smtpMailer(parseMailUrl(mailUrl));
}

function smtpMailer({ from, options }: { from: Address; options: SMTPPoolOptions }): Mailer {
  const transport = createTransport({ ...options, pool: true });
  return {
    async send(mail) {
      await transport.sendMail(compose(mail, from));
    },
    close: () => transport.close(),
  };
}

function fileMailer(folder: string, log: Log): Mailer {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const from: Address = { name: "Club Alliance", address: "no-reply@localhost" };
  return {
    async send(mail) {
      const { message } = await transport.sendMail(compose(mail, from));
      const time = new Date().toISOString().replaceAll(":", "-");
      const file = join(folder, `${time}-${plainId(mail.id)}.eml`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeWhole(file, message);
      log.info(`No MAIL_URL is set, so a mail was written to ${file}`);
    },
    close() {},
  };
}

/** Either the whole file is there under its name, or nothing is. Mails carry tokens: for the owner's eyes only. */
async function writeWhole(file: string, content: Buffer | Readable): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

function compose({ to, subject, text, html, id, unsubscribe }: Mail, from: Address): SendMailOptions {
  if (!isAddress(to))
    throw new Error("A mail goes to one plain e-mail address; mend the address of this one.");
  return {
    from,
    to,
    subject,
    text,
    html,
    messageId: `<${plainId(id)}@${from.address?.split("@").at(-1)}>`,
    // RFC 3834: no holiday answers, please.
    headers: {
      "Auto-Submitted": "auto-generated",
      ...(unsubscribe !== undefined && {
        "List-Unsubscribe": `<${unsubscribe}>`,
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
      }),
    },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** `id` in what both a Message-ID and a file name may have. */
function plainId(id: string): string {
  if (!/^[A-Za-z0-9][\w.:-]{0,127}$/.test(id))
    throw new Error("A mail's id has 1 to 128 letters, digits or ._:- in it.");
  return id.replaceAll(":", "~");
}

/** One address and nothing that could end it or begin another. */
function isAddress(text: string): boolean {
  return /^[^\s\p{C}<>()[\],;:"\\@]+@[^\s\p{C}<>(),;:"\\@]+$/u.test(text) && text.length <= 254;
}

/** Exported for the settings page, which checks the URL at boot. */
export function parseMailUrl(mailUrl: string): { from: Address; options: SMTPPoolOptions } {
  const url = URL.canParse(mailUrl) ? new URL(mailUrl) : undefined;
  const secure = url?.protocol === "smtps:";
  if (!url?.hostname || !(secure || url.protocol === "smtp:") || !/^\/?$/.test(url.pathname)) {
    throw new Error(
      "MAIL_URL is no mail server's address; it takes smtp://user:pass@host:587 or smtps://user:pass@host:465.",
    );
  }
  const others = [...url.searchParams.keys()].filter((name) => name !== "from");
  if (others.length > 0)
    throw new Error(`MAIL_URL has a parameter that is not known (${others.join(", ")}); it takes only from.`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isLocal = host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  const auth = url.username === "" ? undefined : { user: decode(url.username), pass: decode(url.password) };
  return {
    from: parseFrom(
      url.searchParams.get("from") ?? `Club Alliance <no-reply@${isIP(host) ? "localhost" : host}>`,
    ),
    options: {
      host,
      port: Number(url.port) || (secure ? 465 : 587),
      secure,
      requireTLS: auth !== undefined && !isLocal,
      auth,
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      dnsTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      maxConnections: 3,
      // Who calls tries again itself; a server that drops the connection after the mail would send it five times more.
      maxRequeues: 0,
    },
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error(
      "MAIL_URL has a % in its user or password that starts no percent-encoding; write it as %25.",
    );
  }
}

/** `Name <address>` or an address alone. */
function parseFrom(text: string): Address {
  const match = /^(?:([^<>\p{C}]*)<([^<>]+)>|([^<>]+))$/u.exec(text.trim());
  const address = (match?.[2] ?? match?.[3] ?? "").trim();
  if (!isAddress(address)) {
    throw new Error(
      "MAIL_URL has a sender that is none; from= takes an address, or Name <address>, percent-encoded.",
    );
  }
  return { name: (match?.[1] ?? "").trim(), address };
}
