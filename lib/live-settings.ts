/**
 * Settings that administrators change while the federation runs: one registry, and what a node knows of their values. The
 * admin domain tells every node all of them, whenever one changes and every two seconds (services/admin/settings.service.ts).
 */
import type { Localized } from "./declare.ts";
import { checkSetting } from "./setting-values.ts";
import type { SettingJson } from "./setting-values.ts";
import type { Settings } from "./settings.ts";

interface Common<V> {
  /** What holds until somebody sets it; of those of the environment, what that says. */
  default: V | ((settings: Settings) => V);
  text: Localized;
}
export interface BooleanSetting extends Common<boolean> {
  type: "boolean";
}
export interface IntegerSetting extends Common<number> {
  type: "integer";
  min: number;
  max: number;
}
export interface TextSetting extends Common<string> {
  type: "text";
  /** Characters. */
  max: number;
}
export interface ZoneSetting extends Common<string> {
  type: "timezone";
}
/** A list: of `options`, or of networks (CIDR) without them. */
export interface ListSetting<O extends string = string> extends Common<readonly O[]> {
  type: "list";
  options?: readonly O[];
  min: number;
  max: number;
}
export type Setting = BooleanSetting | IntegerSetting | TextSetting | ZoneSetting | ListSetting;

const on = (en: string, zh: string, value = true): BooleanSetting => ({
  type: "boolean",
  default: value,
  text: { en, "zh-CN": zh },
});
const integer = (
  value: IntegerSetting["default"],
  [min, max]: [number, number],
  en: string,
  zh: string,
): IntegerSetting => ({ type: "integer", default: value, min, max, text: { en, "zh-CN": zh } });

export const SETTINGS = {
  "registration.open": on("New people may register.", "开放注册。"),
  "clubs.creationOpen": on("People may file new clubs.", "开放创建社团。"),
  "activities.signUpOpen": on("People may sign up for activities.", "开放活动报名。"),
  "applications.expiryDays": integer(
    14,
    [1, 90],
    "Days after which an application that nobody has decided expires; for those filed from now on.",
    "申请无人处理时的过期天数，对之后提交的申请生效。",
  ),
  "applications.defaultStages": {
    type: "list",
    default: ["officer"],
    options: ["officer", "president"],
    min: 1,
    max: 2,
    text: {
      en: "Review stages of new clubs that name none.",
      "zh-CN": "新社团未指定时的审核阶段。",
    },
  } as ListSetting<"officer" | "president">,
  "limits.anonymousPerMinute": integer(
    ({ rateLimits }) => rateLimits.anonymous,
    [0, 1_000_000],
    "Requests a minute of an address without a token; 0: no limit.",
    "未登录地址每分钟请求数，0 为不限。",
  ),
  "limits.userPerMinute": integer(
    ({ rateLimits }) => rateLimits.user,
    [0, 1_000_000],
    "Requests a minute of a person; 0: no limit.",
    "每个用户每分钟请求数，0 为不限。",
  ),
  "limits.authPerMinute": integer(
    ({ rateLimits }) => rateLimits.auth,
    [0, 1_000_000],
    "Tries a minute of an address to register, sign in or reset a password; 0: no limit.",
    "每个地址每分钟注册、登录、重置密码的次数，0 为不限。",
  ),
  "moderation.reportsToHold": integer(
    3,
    [1, 100],
    "So many different reporters hold a post or a comment.",
    "达到该举报人数时内容转为待审。",
  ),
  "moderation.holdEverything": on(
    "Every post and comment waits for a moderator.",
    "所有帖子和评论先审后发。",
    false,
  ),
  "banner.text": {
    type: "text",
    default: "",
    max: 500,
    text: { en: "A line above everything; empty: none.", "zh-CN": "全站横幅文字，空为不显示。" },
  } as TextSetting,
  "maintenance.mode": on(
    "Writes wait: they answer 503 with Retry-After; reads and administrators go on.",
    "维护模式：写操作返回 503，读取与管理继续。",
    false,
  ),
  "campus.timezone": {
    type: "timezone",
    default: "Asia/Shanghai",
    text: { en: "Where the campus's days begin.", "zh-CN": "校园时区。" },
  } as ZoneSetting,
  "admin.requireTotp": on(
    "Administrators need a second factor (TOTP).",
    "管理员必须启用两步验证（TOTP）。",
    false,
  ),
  "admin.allowedNetworks": {
    type: "list",
    default: [],
    min: 0,
    max: 100,
    text: {
      en: "Networks (CIDR) that the admin gateway serves; empty: all.",
      "zh-CN": "允许访问管理网关的网段（CIDR），空为不限。",
    },
  } as ListSetting,
  "files.maxImageMiB": integer(5, [1, 20], "Largest picture, in MiB.", "图片大小上限（MiB）。"),
  "files.maxDocumentMiB": integer(20, [1, 100], "Largest document, in MiB.", "文档大小上限（MiB）。"),
} as const satisfies Record<string, Setting>;

export type SettingKey = keyof typeof SETTINGS;
type ValueOf<S> = S extends Common<infer V> ? V : never;
export type SettingValue<K extends SettingKey> = ValueOf<(typeof SETTINGS)[K]>;

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

/** Whether there is a setting of this name. */
export function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTINGS, key);
}

/** What holds until somebody sets it. */
export function defaultOf(key: SettingKey, settings: Settings): SettingJson {
  const { default: value } = SETTINGS[key];
  return typeof value === "function" ? value(settings) : value;
}

/** What the admin domain tells; anybody on the bus might have sent it, so its form is checked. */
export interface Told {
  /** Grows with every change. */
  revision: number;
  /** Those that somebody has set. */
  values: Record<string, unknown>;
  /** Administrators whose second factor is in force. */
  totp: string[];
}

/**
 * Milliseconds. A lower revision is an old message, since what holds is told every two seconds; when the higher one was
 * not told for this long it is that of a database that was restored.
 */
const FORGOTTEN = 10_000;

export class LiveSettings {
  readonly #defaults: Readonly<Record<SettingKey, SettingJson>>;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #values: Readonly<Record<SettingKey, SettingJson>>;
  #revision = -1;
  #heardAt = 0;
  #totp: ReadonlySet<string> = new Set();

  /**
   * @param settings of the environment, where some defaults come from
   * @param now milliseconds of a clock that never jumps
   */
  constructor(settings: Settings, now: () => number = () => performance.now()) {
    this.#defaults = Object.fromEntries(SETTING_KEYS.map((key) => [key, defaultOf(key, settings)])) as Record<
      SettingKey,
      SettingJson
    >;
    this.#values = this.#defaults;
    this.#now = now;
  }

  /** Whether the admin domain was heard of; until then the defaults hold. */
  get known(): boolean {
    return this.#revision >= 0;
  }

  get<K extends SettingKey>(key: K): SettingValue<K> {
    // Values are checked by the registry when they are taken.
    return this.#values[key] as SettingValue<K>;
  }

  /** Whether an administrator has a second factor in force. */
  hasTotp(user: string): boolean {
    return this.#totp.has(user);
  }

  /** Takes what was told, unless it is older than what is known. A value that the registry refuses is left out. */
  take(told: Told): void {
    const { revision, values, totp } = told;
    if (!Number.isSafeInteger(revision) || revision < 0) return;
    if (typeof values !== "object" || values === null || !Array.isArray(totp)) return;
    const now = this.#now();
    if (revision < this.#revision && now - this.#heardAt < FORGOTTEN) return;
    // Also of the same revision: that of a restored database may say something else.
    this.#values = { ...this.#defaults, ...fitting(values) };
    this.#revision = revision;
    this.#heardAt = now;
    this.#totp = new Set(totp);
    for (const each of this.#listeners) each();
  }

  /** Calls back whenever something was told; returns the way to stop it. */
  onTold(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

function fitting(values: Record<string, unknown>): Partial<Record<SettingKey, SettingJson>> {
  return Object.fromEntries(
    SETTING_KEYS.flatMap((key) => {
      const checked = Object.hasOwn(values, key) && checkSetting(SETTINGS[key], values[key]);
      return checked && "value" in checked ? [[key, checked.value]] : [];
    }),
  );
}
