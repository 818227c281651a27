import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDocuments } from "../../lib/documents.ts";
import { Inbox } from "../../services/notifications/inbox.ts";
import type { Notice } from "../../services/notifications/recipients.ts";

const DAY = 24 * 3_600_000;
const notice = (to: string[], event: Notice["event"] = "club.deleted"): Notice => ({
  to,
  event,
  kind: "membership",
  subject: { type: "club", id: "c1" },
  values: { clubId: "c1" },
});

test("notifications are kept for a year; who is in two notices of a message gets the first", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "inbox-"));
  const store = await openDocuments(path.join(folder, "inbox.sqlite"));
  try {
    const inbox = await Inbox.open(store);
    const now = Date.now();
    await inbox.tell({ id: "old", at: now - 366 * DAY }, [notice(["ann", "bob"])]);
    await inbox.tell({ id: "new", at: now - 364 * DAY }, [notice(["ann"])]);
    const both = [notice(["ann"], "application.approved"), notice(["bob", "ann"], "application.outcome")];
    expect(await inbox.tell({ id: "both", at: now }, both)).toEqual(["ann", "bob"]);
    const events = async (user: string) =>
      (await inbox.page(user, { unread: false, after: null, limit: 10 })).map(({ event }) => event);
    expect(await events("ann")).toEqual(["application.approved", "club.deleted", "club.deleted"]);
    await inbox.sweep(now);
    expect(await events("ann")).toEqual(["application.approved", "club.deleted"]);
    expect(await events("bob")).toEqual(["application.outcome"]);
    expect(await inbox.unread("ann")).toBe(2);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
