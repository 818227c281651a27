import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { createMailer, parseMailUrl } from "../../lib/mail.ts";

const mail = { to: "li@example.edu", subject: "Welcome 欢迎", text: "Hello 你好\n", id: "m1:u2" };

/** The fields of a message's head, unfolded, by lower-case name. A field that is there twice fails. */
function headOf(message: string): Record<string, string> {
  const [head = ""] = message.split("\r\n\r\n", 1);
  const fields: Record<string, string> = {};
  for (const line of head.replaceAll(/\r\n[ \t]+/g, " ").split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    expect(name in fields).toBe(false);
    fields[name] = line.slice(colon + 1).trim();
  }
  return fields;
}

describe("files", () => {
  let folder = "";
  const lines: string[] = [];
  const log = { info: (line: string) => lines.push(line) };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "mail-"));
    lines.length = 0;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function written(more: Partial<typeof mail> & { html?: string }): Promise<string> {
    await createMailer(undefined, folder, log).send({ ...mail, ...more });
    const names = await readdir(join(folder, "mail"));
    return readFile(join(folder, "mail", names.toSorted().at(-1) ?? ""), "utf8");
  }

  test("a mail is a file that the log names, and nothing else is left", async () => {
    const message = await written({ html: "<p>Hello</p>" });
    const [name = "", ...others] = await readdir(join(folder, "mail"));
    expect(others).toEqual([]);
    expect(name).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-m1~u2\.eml$/);
    expect(lines).toEqual([expect.stringContaining(join(folder, "mail", name))]);
    expect((await stat(join(folder, "mail"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "mail", name))).mode & 0o777).toBe(0o600);
    expect(headOf(message)).toMatchObject({
      from: "Club Alliance <no-reply@localhost>",
      to: "li@example.edu",
      subject: "=?UTF-8?Q?Welcome_=E6=AC=A2=E8=BF=8E?=",
      "message-id": "<m1~u2@localhost>",
      "auto-submitted": "auto-generated",
      "content-type": expect.stringMatching(/^multipart\/alternative/),
    });
    expect(message).toContain("<p>Hello</p>");
  });

  test("a mail that is sent again is another file with the same Message-ID", async () => {
    const first = headOf(await written({}));
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(headOf(await written({}))["message-id"]).toBe(first["message-id"]);
    expect(headOf(await written({ id: "m1_u2" }))["message-id"]).not.toBe(first["message-id"]);
    expect(await readdir(join(folder, "mail"))).toHaveLength(3);
  });

  test("a folder that cannot be written fails the mail", async () => {
    await writeFile(join(folder, "mail"), "in the way");
    await expect(createMailer(undefined, folder, log).send(mail)).rejects.toThrow(/EEXIST|ENOTDIR/);
    expect(lines).toEqual([]);
  });

  test("no subject makes another header", async () => {
    const names = Object.keys(headOf(await written({}))).toSorted();
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.string({ unit: "binary" }),
            fc.constantFrom("\r\n", "\n", "\r", "\u0085", "\u2028", "Bcc: x@y.z", "\r\n\r\n"),
          ),
          {
            maxLength: 6,
          },
        ),
        async (parts) => {
          const fields = headOf(await written({ subject: `News ${parts.join("")}` }));
          expect(Object.keys(fields).toSorted()).toEqual(names);
          expect(fields.to).toBe("li@example.edu");
        },
      ),
      { numRuns: 50 },
    );
  });

  test.each([
    "",
    "li",
    "li@",
    "@example.edu",
    "a@b.cn, c@d.cn",
    "a@b.cn;c@d.cn",
    "a@b.cn\r\nBcc: c@d.cn",
    "Li <a@b.cn>",
    "<a@b.cn>",
    "a b@c.cn",
    '"a"@b.cn',
    "group:a@b.cn",
    `${"a".repeat(250)}@b.cn`,
  ])("%p is no address to send to", async (to) => {
    await expect(createMailer(undefined, folder, log).send({ ...mail, to })).rejects.toThrow(
      "one plain e-mail address",
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test("Chinese addresses are", async () => {
    expect(headOf(await written({ to: "李雷@例子.中国" })).to).toContain("李雷@");
  });

  test.each(["", "../../etc/x", "a/b", "a b", ".hidden", "x>\r\nBcc: a@b.c", "a".repeat(129)])(
    "%p is no id",
    async (id) => {
      await expect(createMailer(undefined, folder, log).send({ ...mail, id })).rejects.toThrow("A mail's id");
    },
  );
});

/** As much of RFC 5321 as a client needs; remembers what it was told. `refuse` answers a command with that line. */
async function smtpServer(refuse: Record<string, string> = {}) {
  const sessions: { commands: string[]; data: string[] }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const session: (typeof sessions)[number] = { commands: [], data: [] };
    sessions.push(session);
    sockets.add(socket);
    let input = "";
    let isData = false;
    const say = (line: string) => socket.write(`${line}\r\n`);
    const command = (line: string) => {
      session.commands.push(line);
      const verb = line.split(" ", 1)[0]?.toUpperCase() ?? "";
      isData = verb === "DATA" && !refuse[verb];
      say(
        refuse[verb] ??
          (verb === "EHLO"
            ? "250-test\r\n250 AUTH PLAIN"
            : verb === "AUTH"
              ? "235 in"
              : isData
                ? "354 go"
                : "250 ok"),
      );
    };
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      input += chunk;
      for (;;) {
        const end = isData ? "\r\n.\r\n" : "\r\n";
        const at = input.indexOf(end);
        if (at < 0) return;
        const part = input.slice(0, at);
        input = input.slice(at + end.length);
        if (!isData) {
          command(part);
        } else {
          session.data.push(part);
          isData = false;
          say("250 taken");
        }
      }
    });
    socket.on("error", () => {});
    say("220 test");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port, sessions, stop };
}

describe("SMTP", () => {
  const quiet = { info: () => {} };

  test("mails go over one connection, with the sender of the URL and its password", async () => {
    const server = await smtpServer();
    const from = encodeURIComponent("社团联盟 <clubs@example.edu>");
    const mailer = createMailer(
      `smtp://us%40er:p%3Ass@127.0.0.1:${server.port}?from=${from}`,
      "/nowhere",
      quiet,
    );
    try {
      await mailer.send(mail);
      await mailer.send({ ...mail, id: "m2", text: "first\n.\nQUIT\r\n.\r\nMAIL FROM:<x@y.z>\n..two" });
      expect(server.sessions).toHaveLength(1);
      const { commands, data } = server.sessions[0] ?? { commands: [], data: [] };
      expect(commands.map((line) => line.split(" ", 1)[0])).toEqual([
        "EHLO",
        "AUTH",
        "MAIL",
        "RCPT",
        "DATA",
        "MAIL",
        "RCPT",
        "DATA",
      ]);
      expect(commands).toContain("MAIL FROM:<clubs@example.edu>");
      expect(commands).toContain("RCPT TO:<li@example.edu>");
      expect(Buffer.from(commands[1]?.split(" ").at(-1) ?? "", "base64").toString()).toBe("\0us@er\0p:ss");
      expect(data).toHaveLength(2);
      expect(headOf(data[0] ?? "")).toMatchObject({
        from: "=?UTF-8?B?56S+5Zui6IGU55uf?= <clubs@example.edu>",
        "message-id": "<m1~u2@example.edu>",
      });
      expect(data[1]).toContain("first\r\n..\r\nQUIT\r\n..\r\nMAIL FROM:<x@y.z>\r\n...two");
    } finally {
      mailer.close();
      server.stop();
    }
  });

  test("a refusal of the server, or none there at all, fails the mail, and the next goes on", async () => {
    const refusals: Record<string, string> = { RCPT: "550 5.1.1 no such user" };
    const server = await smtpServer(refusals);
    const mailer = createMailer(`smtp://127.0.0.1:${server.port}`, "/nowhere", quiet);
    try {
      await expect(mailer.send(mail)).rejects.toMatchObject({ responseCode: 550 });
      delete refusals.RCPT;
      await mailer.send(mail);
      expect(server.sessions.flatMap((session) => session.data)).toHaveLength(1);
      server.stop();
      await expect(mailer.send(mail)).rejects.toThrow();
    } finally {
      mailer.close();
      server.stop();
    }
  });
});

describe("MAIL_URL", () => {
  test("ports, encryption and sender", () => {
    expect(parseMailUrl("smtp://mail.example.edu")).toMatchObject({
      from: { name: "Club Alliance", address: "no-reply@mail.example.edu" },
      options: { host: "mail.example.edu", port: 587, secure: false, requireTLS: false, auth: undefined },
    });
    expect(parseMailUrl("smtp://u:p@mail.example.edu:2525/").options).toMatchObject({
      port: 2525,
      requireTLS: true,
    });
    expect(parseMailUrl("smtps://u:p@mail.example.edu").options).toMatchObject({ port: 465, secure: true });
    expect(parseMailUrl("smtp://u:p@[::1]:25")).toMatchObject({
      from: { address: "no-reply@localhost" },
      options: { host: "::1", port: 25, requireTLS: false },
    });
    expect(parseMailUrl("smtp://h?from=a@b.cn").from).toEqual({ name: "", address: "a@b.cn" });
  });

  test.each([
    "",
    "mail.example.edu",
    "http://u:s3cret@mail.example.edu",
    "smtp://",
    "smtp://u:s3cret@h/path",
    "smtp://u:s3cret@h:99999",
    "smtp://u:s3cret%@h",
    "smtp://u:s3cret@h?pool=false",
    "smtp://u:s3cret@h?from=nobody",
    `smtp://u:s3cret@h?from=${encodeURIComponent("a@b.cn, c@d.cn")}`,
    `smtp://u:s3cret@h?from=${encodeURIComponent("A\r\nBcc: x <a@b.cn>")}`,
  ])("%p is refused with a sentence that names the variable and no secret", (url) => {
    let message = "";
    try {
      parseMailUrl(url);
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(/^Error: MAIL_URL .*(takes|write)/);
    expect(message).not.toContain("s3cret");
  });
});
