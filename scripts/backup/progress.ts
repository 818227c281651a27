/** How far it is: bars on a terminal, elsewhere a line for each part that is done. */
import { MultiBar, Presets } from "cli-progress";
import type { SingleBar } from "cli-progress";

export interface Part {
  add(bytes: number): void;
  /** @param what came of it */
  done(what: string): void;
}

export class Progress {
  readonly #bars: MultiBar | null;

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#bars = stream.isTTY
      ? new MultiBar(
          { format: "{bar} {name} {value} MB {what}", hideCursor: true, stream, forceRedraw: true },
          Presets.shades_classic,
        )
      : null;
  }

  /** @param total bytes, where they are known */
  part(name: string, total = 0): Part {
    let bytes = 0;
    const bar: SingleBar | undefined = this.#bars?.create(mega(total), 0, { name, what: "" });
    return {
      add(more) {
        bytes += more;
        if (!bar) return;
        if (mega(bytes) > bar.getTotal()) bar.setTotal(mega(bytes));
        bar.update(mega(bytes));
      },
      done: (what) => {
        bar?.update(bar.getTotal(), { what });
        if (!bar) this.say(`${name}: ${what}`);
      },
    };
  }

  say(text: string): void {
    if (this.#bars) this.#bars.log(`${text}\n`);
    else process.stdout.write(`${text}\n`);
  }

  stop(): void {
    this.#bars?.stop();
  }
}

const mega = (bytes: number): number => Math.round(bytes / 100_000) / 10;

/** Bytes for people. */
export function amount(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
