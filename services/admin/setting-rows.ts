/** What is kept of settings: values with their versions, and who has set what. */
import type { Statements, Tx } from "../../lib/database.ts";
import type { SettingKey, Told } from "../../lib/live-settings.ts";
import type { SettingJson } from "../../lib/setting-values.ts";
import { HISTORY_SHOWN } from "./settings.contract.ts";

/** Of what nobody has set yet. */
const FIRST_VERSION = 1;

export interface KeptSetting {
  /** Null: the default holds. */
  value: SettingJson | null;
  version: number;
}

export interface Change {
  at: number;
  by: string;
  value: SettingJson | null;
}

const parsed = (json: string | null): SettingJson | null =>
  json === null ? null : (JSON.parse(json) as SettingJson);

/** Those that were set at some time, by name. */
export async function keptSettings(db: Statements): Promise<Map<string, KeptSetting>> {
  const rows = await db.all<Row>("SELECT name, value, version FROM settings");
  return new Map(rows.map(({ name, value, version }) => [name, { value: parsed(value), version }]));
}

interface Row {
  name: string;
  value: string | null;
  version: number;
}

export async function keptSetting(db: Statements, key: SettingKey): Promise<KeptSetting> {
  const row = await db.one<Row>("SELECT name, value, version FROM settings WHERE name = :key", { key });
  return row ? { value: parsed(row.value), version: row.version } : unset;
}

export const unset: KeptSetting = { value: null, version: FIRST_VERSION };

/** The last changes of a setting, newest first. */
export async function historyOf(db: Statements, key: SettingKey): Promise<Change[]> {
  const rows = await db.all<{ at: number; changed_by: string; value: string | null }>(
    `SELECT at, changed_by, value FROM settings_history WHERE name = :key
     ORDER BY revision DESC LIMIT ${HISTORY_SHOWN}`,
    { key },
  );
  return rows.map(({ at, changed_by: by, value }) => ({ at, by, value: parsed(value) }));
}

/** Begins a change: whoever comes second waits until this transaction ends. Returns the revision that it makes. */
export async function nextRevision(tx: Tx): Promise<number> {
  await tx.run("UPDATE settings_revision SET revision = revision + 1 WHERE id = 1");
  return tx.number("SELECT revision FROM settings_revision WHERE id = 1");
}

/** Writes a value and that it was set; `before` is what was kept. */
export async function writeSetting(
  tx: Tx,
  key: SettingKey,
  before: KeptSetting,
  change: Change & { revision: number },
): Promise<void> {
  const { at, by, revision } = change;
  const row = {
    name: key,
    value: change.value === null ? null : JSON.stringify(change.value),
    version: before.version + 1,
  };
  const known = await tx.run(
    "UPDATE settings SET value = :value, version = :version WHERE name = :name",
    row,
  );
  if (known === 0) await tx.insert("settings", row);
  await tx.insert("settings_history", { revision, name: key, at, changed_by: by, value: row.value });
}

/** What every node is to know: in one statement, so that revision and values belong together. */
export async function toldBy(db: Statements): Promise<Omit<Told, "totp">> {
  const rows = await db.all<{ revision: number; name: string | null; value: string | null }>(
    `SELECT r.revision, s.name, s.value FROM settings_revision r
     LEFT JOIN settings s ON s.value IS NOT NULL WHERE r.id = 1`,
  );
  const values = rows.flatMap(({ name, value }) => (name === null ? [] : [[name, parsed(value)] as const]));
  return { revision: Number(rows[0]?.revision), values: Object.fromEntries(values) };
}
