import { audited } from "../../lib/audit.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { expectVersion, implement, userOf } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { defaultOf, isSettingKey, SETTING_KEYS, SETTINGS } from "../../lib/live-settings.ts";
import type { Setting, SettingKey } from "../../lib/live-settings.ts";
import { isInNetworks } from "../../lib/networks.ts";
import { checkSetting } from "../../lib/setting-values.ts";
import type { SettingJson } from "../../lib/setting-values.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { patiently } from "../../mixins/patiently.ts";
import { people } from "../../mixins/people.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import {
  historyOf,
  keptSetting,
  keptSettings,
  nextRevision,
  toldBy,
  unset,
  writeSetting,
} from "./setting-rows.ts";
import type { Change, KeptSetting } from "./setting-rows.ts";
import { settings } from "./settings.contract.ts";
import { confirmedAdmins } from "./totp-store.ts";
import type { SettingShown } from "./settings.contract.ts";

/** Milliseconds between two tellings: a broadcast may be lost, and a node may start at any time. */
const TELL = 2_000;

interface Methods {
  telling: Promise<void>;
  /** Tells what is kept now. One at a time, so that what is told last was read last. */
  tellAll(): Promise<void>;
  /** The same after a change, which has been made whether or not it can be told at once. */
  tellChanged(): Promise<void>;
}

const own: Mixin<Methods> = {};

export default implement(settings, {
  mixins: [database("admin"), sweeper(), own],
  methods: {
    tellAll(): Promise<void> {
      this.telling = this.telling
        .catch(() => undefined)
        .then(async () => {
          const db = this.db.primary;
          const told = { ...(await toldBy(db)), totp: await confirmedAdmins(db) };
          // Here at once, so that it holds before whoever has changed it is answered.
          runtimeOf(this.broker).live.take(told);
          await this.broker.broadcast("settings.told", told);
        });
      return this.telling;
    },
    async tellChanged(): Promise<void> {
      await this.tellAll().catch((error: unknown) =>
        this.logger.warn("A changed setting is told later", { error: String(error) }),
      );
    },
  },
  actions: {
    async list(ctx) {
      const kept = await keptSettings(this.db.primary);
      const histories = new Map<SettingKey, Change[]>();
      for (const key of SETTING_KEYS.filter((each) => kept.has(each)))
        histories.set(key, await historyOf(this.db.primary, key));
      const named = await people(
        ctx,
        [...histories.values()].flat().map(({ by }) => by),
      );
      return SETTING_KEYS.map((key) =>
        present(ctx, key, kept.get(key) ?? unset, historyShown(histories.get(key) ?? [], named)),
      );
    },
    async set(ctx) {
      const { key } = ctx.params;
      if (!isSettingKey(key)) throw new AppError("NOT_FOUND");
      const value = wantedValue(ctx, key);
      await this.change(ctx, async (tx) => {
        const revision = await nextRevision(tx);
        const before = await keptSetting(tx, key);
        expectVersion(ctx, before.version);
        audited(ctx, {
          before: { value: inForce(ctx, key, before) },
          after: { value: inForce(ctx, key, { value }) },
        });
        if (JSON.stringify(value) === JSON.stringify(before.value)) return;
        await writeSetting(tx, key, before, { revision, at: Date.now(), by: userOf(ctx), value });
        tx.afterCommit.push(() => this.tellChanged());
      });
      const history = await historyOf(this.db.primary, key);
      const named = await people(
        ctx,
        history.map(({ by }) => by),
      );
      return present(ctx, key, await keptSetting(this.db.primary, key), historyShown(history, named));
    },
    async tell() {
      await this.tellAll();
    },
  },
  created() {
    this.telling = Promise.resolve();
  },
  async started() {
    // A node of this domain knows the settings before it is there for anybody.
    await patiently(this, () => this.tellAll());
    this.every(TELL, () => this.tellAll());
  },
});

/** The value that is to be kept, null for the default. @throws 422 that says what the setting takes */
function wantedValue(ctx: Ctx<{ value: unknown }>, key: SettingKey): SettingJson | null {
  const { value } = ctx.params;
  if (value === null) return null;
  const checked = checkSetting(SETTINGS[key], value);
  if ("problem" in checked) throw invalid({ field: "value", ...checked.problem });
  if (key === "admin.allowedNetworks") refuseLockout(ctx, checked.value as readonly string[]);
  return checked.value;
}

/** Nobody takes their own way in away. */
function refuseLockout({ headers }: Ctx, networks: readonly string[]): void {
  const address = headers.client?.address ?? "";
  if (networks.length > 0 && !isInNetworks(address, networks))
    throw invalid({ field: "value", code: "SHUTS_YOU_OUT", values: { address } });
}

function inForce(ctx: Ctx, key: SettingKey, { value }: Pick<KeptSetting, "value">): SettingJson {
  return value ?? defaultOf(key, runtimeOf(ctx.broker).settings);
}

type Shown = SettingShown["history"];

function historyShown(history: Change[], named: (id: string) => Shown[number]["by"]): Shown {
  return history.map(({ at, by, value }) => ({ at: iso(at), by: named(by), value: copied(value) }));
}

function present(ctx: Ctx, key: SettingKey, kept: KeptSetting, history: Shown): SettingShown {
  const { type, text, min, max, options } = SETTINGS[key] as Setting & {
    min?: number;
    max?: number;
    options?: readonly string[];
  };
  return {
    key,
    value: copied(inForce(ctx, key, kept)),
    default: copied(inForce(ctx, key, unset)),
    type,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(options && { options: [...options] }),
    description: text[ctx.headers.lang ?? "en"],
    history,
    version: kept.version,
  };
}

/** Lists of the registry are not to be changed, those of an answer may be. */
function copied<V extends SettingJson | null>(value: V) {
  return (Array.isArray(value) ? [...(value as readonly string[])] : value) as
    Exclude<V, readonly string[]> | string[];
}
