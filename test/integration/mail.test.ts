import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import path from "node:path";
import { text } from "node:stream/consumers";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";
import { newId } from "../../lib/ids.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { startNeighbourhood } from "../support/neighbours.ts";
import type { Neighbourhood } from "../support/neighbours.ts";

const mailTo = (to: string, more: object = {}) => ({
  id: newId(),
  to,
  locale: "en",
  template: "passwordReset",
  values: { token: "tok-en-1" },
  ...more,
});

let near: Neighbourhood;
const send = (mail: object): Promise<unknown> => near.broker.call("mail.send", mail, { retries: 0 });

describe("without MAIL_URL", () => {
  beforeAll(async () => {
    near = await startNeighbourhood(["notifications"], { env: { HOST: "127.0.0.1" } });
  });
  afterAll(() => near.stop());

  const written = async (id: string) => {
    const folder = path.join(near.dataDir, "mail");
    const names = (await readdir(folder)).filter((name) => name.endsWith(`-${id}.eml`));
    return Promise.all(names.map(async (name) => simpleParser(await readFile(path.join(folder, name)))));
  };

  test("a mail is a file with the token and the address of the gateway", async () => {
    const mail = mailTo("li@example.edu");
    await send(mail);
    const [file, ...others] = await written(mail.id);
    expect(others).toEqual([]);
    expect(file?.subject).toBe("Reset your password");
    const api = runtimeOf(near.broker).ports.get("api");
    expect(file?.text).toContain(`POST http://127.0.0.1:${api}/auth/password/reset`);
    expect(file?.text).toContain("\n    tok-en-1\n");
    expect(file?.html).toContain("<pre>tok-en-1</pre>");
  });

  test("in the other language", async () => {
    const mail = mailTo("li@example.edu", { locale: "zh-CN", template: "accountLocked", values: {} });
    await send(mail);
    expect((await written(mail.id))[0]?.subject).toBe("您的账号已暂时锁定");
  });

  test("the same id is one mail: one after the other, at once, and after a restart", async () => {
    const mail = mailTo("li@example.edu");
    await Promise.all([send(mail), send(mail), send(mail)]);
    await send(mail);
    expect(await written(mail.id)).toHaveLength(1);
    const { dataDir } = near;
    await near.stop({ keep: true });
    near = await startNeighbourhood(["notifications"], { env: { DATA_DIR: dataDir } });
    await send(mail);
    expect(await written(mail.id)).toHaveLength(1);
  });

  test.each([
    ["a template that is none", { template: "newsletter" }],
    ["a language that is none", { locale: "fr" }],
    ["an id that could not be a file's name", { id: "../../x" }],
    ["no address", { to: "" }],
  ])("%s is refused", async (_what, more) => {
    await expect(send(mailTo("li@example.edu", more))).rejects.toMatchObject({ type: "VALIDATION_FAILED" });
  });

  test("a mail that lacks its token, or has no address, is a fault and not worth another try", async () => {
    const lacking = mailTo("li@example.edu", { values: {} });
    await expect(send(lacking)).rejects.toMatchObject({ type: "INTERNAL" });
    const two = mailTo("a@example.edu, b@example.edu");
    await expect(send(two)).rejects.toMatchObject({ type: "INTERNAL" });
    expect(await written(lacking.id)).toEqual([]);
    expect(await written(two.id)).toEqual([]);
  });

  test("what is stored of mails has neither address nor token", async () => {
    const mail = mailTo("secret-person@example.edu", { values: { token: "s3cret-t0ken" } });
    await send(mail);
    for (const name of await readdir(near.dataDir)) {
      if (name === "mail") continue;
      const content = (await readFile(path.join(near.dataDir, name))).toString("latin1");
      expect(content).not.toMatch(/secret-person|s3cret-t0ken/);
    }
  });

  test("clients have no way to it", async () => {
    expect((await near.call("POST", "/mail/send", { body: {} })).status).toBe(404);
  });
});

describe("with a mail server", () => {
  const taken: string[] = [];
  /** Addresses that do not exist. */
  const unknown = new Set<string>();
  let server: SMTPServer;
  let port = 0;

  const listen = async (): Promise<void> => {
    server = new SMTPServer({
      authOptional: true,
      // Clients keep their connections.
      closeTimeout: 50,
      disabledCommands: ["AUTH", "STARTTLS"],
      onRcptTo({ address }, _session, done) {
        const refusal = Object.assign(new Error("no such user"), { responseCode: 550 });
        done(unknown.has(address) ? refusal : undefined);
      },
      onData(stream, _session, done) {
        void (async () => {
          taken.push(await text(stream));
          done();
        })();
      },
    });
    server.listen(port, "127.0.0.1");
    await once(server.server, "listening");
  };
  const close = (): Promise<void> => new Promise((resolve) => server.close(resolve));

  beforeAll(async () => {
    // A free port that stays ours to go away and come back on.
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    ({ port } = probe.address() as AddressInfo);
    await new Promise((resolve) => probe.close(resolve));
    await listen();
    near = await startNeighbourhood(["notifications"], {
      env: {
        MAIL_URL: `smtp://127.0.0.1:${port}?from=clubs@example.edu`,
        PUBLIC_URL: "https://clubs.example.edu/",
      },
    });
  });
  afterAll(async () => {
    await near.stop();
    await close();
  });

  test("it is handed over once", async () => {
    const mail = mailTo("li@example.edu");
    await send(mail);
    await send(mail);
    expect(taken).toHaveLength(1);
    const { to, text: words, messageId } = await simpleParser(taken[0] as string);
    expect(to).toMatchObject({ text: "li@example.edu" });
    expect(words).toContain("POST https://clubs.example.edu/auth/password/reset");
    expect(messageId).toContain(mail.id);
  });

  test("while the server is away the caller is told so, and the same mail goes out later", async () => {
    await close();
    const mail = mailTo("li@example.edu");
    await expect(send(mail)).rejects.toMatchObject({ type: "UNAVAILABLE" });
    await listen();
    taken.length = 0;
    await send(mail);
    expect(taken).toHaveLength(1);
  });

  test("an address that the server refuses for good is not tried for ever", async () => {
    unknown.add("gone@example.edu");
    taken.length = 0;
    const mail = mailTo("gone@example.edu");
    await send(mail);
    await send(mail);
    expect(taken).toEqual([]);
  });
});

describe("what is wrong with the store is told in a sentence", () => {
  const start = (dataDir: string) => startNeighbourhood(["notifications"], { env: { DATA_DIR: dataDir } });

  test("it is open in another process, or here", async () => {
    near = await startNeighbourhood(["notifications"]);
    try {
      await expect(start(near.dataDir)).rejects.toMatchObject({
        name: "SettingsError",
        message: expect.stringMatching(/notifications\.documents\.sqlite is in use/),
      });
    } finally {
      await near.stop();
    }
  });

  test("it is no database", async () => {
    near = await startNeighbourhood(["notifications"]);
    await near.stop({ keep: true });
    await writeFile(
      path.join(near.dataDir, "notifications.documents.sqlite"),
      "not a database, ".repeat(100),
    );
    await expect(start(near.dataDir)).rejects.toMatchObject({
      name: "SettingsError",
      message: expect.stringContaining("is not a SQLite database"),
    });
  });

  test("the folder cannot be made", async () => {
    near = await startNeighbourhood(["notifications"]);
    await near.stop({ keep: true });
    const file = path.join(near.dataDir, "a-file");
    await writeFile(file, "");
    await expect(start(path.join(file, "data"))).rejects.toMatchObject({
      name: "SettingsError",
      message: expect.stringContaining("DATA_DIR"),
    });
  });
});
