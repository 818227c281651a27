/** `npm run repl`: an operator's node with a prompt, joined to the cluster. */
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { createNode } from "../moleculer.config.ts";
import { startRepl } from "./repl-commands.ts";

async function main(): Promise<void> {
  const settings = readSettings({ ...readEnvironment(), HEALTH_PORT: "0", LOG_LEVEL: "warn" });
  if (!settings.natsUrl)
    throw new SettingsError(
      "NATS_URL is not set, so there is no cluster to join. Set it to the cluster's NATS, or use `npm start -- --repl` for a prompt inside the one process.",
    );
  const broker = await createNode({ ...settings, jwtKeys: null, adminJwtKeys: null }, []);
  await broker.start();
  startRepl(broker);
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof SettingsError ? error.message : String((error as Error).stack)}\n`,
  );
  process.exit(1);
});
