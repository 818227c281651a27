/** Numbers for notices from before they had any. */
import type { AnyDocument } from "../../lib/documents.ts";

/** Those without a number, each with the next of its person, in the order in which they came. */
export function numbered(docs: readonly AnyDocument[]): AnyDocument[] {
  const last = new Map<unknown, number>();
  const old = docs.filter((doc) => typeof doc["seq"] !== "number");
  for (const { user, seq } of docs)
    if (typeof seq === "number") last.set(user, Math.max(seq, last.get(user) ?? 0));
  return old.toSorted(byTime).map((doc) => {
    const seq = (last.get(doc["user"]) ?? 0) + 1;
    last.set(doc["user"], seq);
    return { ...doc, seq };
  });
}

function byTime(a: AnyDocument, b: AnyDocument): number {
  return Number(a["createdAt"]) - Number(b["createdAt"]) || (a._id < b._id ? -1 : 1);
}
