import type { Change, Document } from "./disk.ts";
import { valueAt } from "./rules.ts";

/** An update would give two documents the same values of a unique index. Nothing was changed. */
export class DuplicateKeyError extends Error {
  constructor(collection: string, fields: readonly string[]) {
    super(
      `Another document of ${collection} has the same ${fields.join(" and ")}: choose another, or change that one.`,
    );
    this.name = "DuplicateKeyError";
  }
}

/** Which document holds which values of the fields. */
export class UniqueIndex {
  readonly fields: readonly string[];
  readonly #owners = new Map<string, string>();

  constructor(fields: readonly string[]) {
    this.fields = fields;
  }

  forbids<D extends Document>({ before, after }: Change<D>): boolean {
    const owner = after && this.#owners.get(this.#key(after));
    return owner !== undefined && owner !== before?._id;
  }

  apply<D extends Document>({ before, after }: Change<D>): void {
    if (before) this.#owners.delete(this.#key(before));
    if (after) this.#owners.set(this.#key(after), after._id);
  }

  #key(doc: Document): string {
    return JSON.stringify(
      this.fields.map((field) => {
        const value = valueAt(doc, field) ?? null;
        if (typeof value === "object" && value)
          throw new TypeError(`"${field}" is in a unique index: give it a single value.`);
        return value;
      }),
    );
  }
}
