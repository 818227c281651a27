/** How the commands of this folder end. */
import { SettingsError } from "../lib/settings.ts";

/**
 * Runs a command. What whoever called it can mend is told in a sentence, a fault of ours with its stack; both on the
 * standard error, with exit code 1.
 * @param mendable tells such an error, beside those of settings and of the arguments
 */
export function runCommand(
  main: () => Promise<void>,
  mendable: (error: unknown) => boolean = () => false,
): void {
  main().catch((error: unknown) => {
    const { code, message, stack } = error as NodeJS.ErrnoException;
    const plain =
      error instanceof SettingsError || String(code).startsWith("ERR_PARSE_ARGS") || mendable(error);
    process.stderr.write(`${plain ? message : (stack ?? String(error))}\n`);
    process.exitCode = 1;
  });
}
