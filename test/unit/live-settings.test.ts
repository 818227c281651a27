/** The registry of settings, and what a node takes of what it is told. */
import fc from "fast-check";
import { LiveSettings, SETTING_KEYS, SETTINGS } from "../../lib/live-settings.ts";
import type { Setting, SettingKey } from "../../lib/live-settings.ts";
import { isInNetworks } from "../../lib/networks.ts";
import { checkSetting } from "../../lib/setting-values.ts";
import { readSettings } from "../../lib/settings.ts";

const settings = readSettings({ RATE_LIMIT_USER: "77" });
const told = (revision: number, values: Record<string, unknown> = {}, totp: string[] = []) => ({
  revision,
  values,
  totp,
});

/** What is within the bounds of a setting, said in another way than the check does. */
function fits(setting: Setting, value: unknown): boolean {
  switch (setting.type) {
    case "boolean":
      return value === true || value === false;
    case "integer":
      return Number.isSafeInteger(value) && setting.min <= Number(value) && Number(value) <= setting.max;
    case "text":
      return typeof value === "string" && Array.from(value).length <= setting.max && value === value.trim();
    case "timezone":
      return Intl.supportedValuesOf("timeZone").includes(String(value)) || value === "UTC";
    case "list":
    default: {
      const list = value as string[];
      const known = (item: string) =>
        setting.options ? setting.options.includes(item) : /^[\da-f.:]+(\/\d+)?$/i.test(item);
      return list.length >= setting.min && list.length <= setting.max && list.every(known);
    }
  }
}

const anything = fc.oneof(
  fc.anything(),
  fc.integer(),
  fc.string({ maxLength: 600, unit: "binary" }),
  fc.array(fc.constantFrom("officer", "president", "10.0.0.0/8", "::1/128", "127.0.0.1", "x"), {
    maxLength: 4,
  }),
  fc.constantFrom("UTC", "Europe/Paris", "+08:00", true, false, 0, 14, 1e6),
);

test("what a setting takes is within its bounds, and is taken again as it is", () => {
  fc.assert(
    fc.property(fc.constantFrom(...SETTING_KEYS), anything, (key, value) => {
      const checked = checkSetting(SETTINGS[key], value);
      if ("problem" in checked) return;
      expect(fits(SETTINGS[key], checked.value)).toBe(true);
      expect(checkSetting(SETTINGS[key], JSON.parse(JSON.stringify(checked.value)))).toEqual(checked);
    }),
    { numRuns: 3_000 },
  );
});

test("-0 is 0", () => {
  const { value } = checkSetting(SETTINGS["limits.anonymousPerMinute"], -0) as { value: number };
  expect(Object.is(value, 0)).toBe(true);
});

test("every default is taken", () => {
  const live = new LiveSettings(settings);
  for (const key of SETTING_KEYS)
    expect(checkSetting(SETTINGS[key], live.get(key))).toEqual({ value: live.get(key) });
});

describe.each<[SettingKey, unknown[], unknown[]]>([
  ["maintenance.mode", [true, false], ["true", 1, 0, [], {}, ""]],
  ["applications.expiryDays", [1, 90], [0, 91, 1.5, "14", Number.NaN, true, [14]]],
  ["limits.userPerMinute", [0, 1_000_000], [-1, 1_000_001]],
  [
    "banner.text",
    ["", "Open day", "字".repeat(500), "😀".repeat(500)],
    ["字".repeat(501), "a\nb", "\u0007", "\uD800", 1, []],
  ],
  ["campus.timezone", ["Asia/Shanghai", "UTC"], ["+08:00", "Asia/Nowhere", "asia/shanghai", "", 8]],
  [
    "applications.defaultStages",
    [["officer"], ["officer", "president"]],
    [[], ["member"], ["officer", "officer"], "officer", {}],
  ],
  [
    "admin.allowedNetworks",
    [[], ["10.0.0.0/8"], ["127.0.0.1", "::1/128", "2001:db8::/32"]],
    [
      ["10.0.0.0/33"],
      ["10.0.0.0/"],
      ["10.0.0.0/8/8"],
      ["10.1"],
      ["010.0.0.1"],
      ["fe80::1%eth0"],
      ["x"],
      [1],
      ["::1/129"],
      ["10.0.0.0/08"],
    ],
  ],
])("%s", (key, good, bad) => {
  test("takes what it should", () => {
    for (const value of good) expect(checkSetting(SETTINGS[key], value)).toEqual({ value });
  });
  test("and nothing else", () => {
    for (const value of bad) expect(checkSetting(SETTINGS[key], value)).toHaveProperty("problem.code");
  });
});

test("text is trimmed and brought into one form", () => {
  expect(checkSetting(SETTINGS["banner.text"], "  Cafe\u0301 ")).toEqual({ value: "Café" });
});

test("an address is in a network, also in its IPv6 form", () => {
  expect(isInNetworks("10.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"])).toBe(true);
  expect(isInNetworks("::ffff:10.1.2.3", ["10.0.0.0/8"])).toBe(true);
  expect(isInNetworks("10.1.2.3", ["::ffff:10.1.2.3"])).toBe(true);
  expect(isInNetworks("11.1.2.3", ["10.0.0.0/8"])).toBe(false);
  expect(isInNetworks("10.1.2.3", ["::/0"])).toBe(false);
  expect(isInNetworks("2001:db8::7", ["2001:db8::/32"])).toBe(true);
  expect(isInNetworks("unknown", ["0.0.0.0/0", "::/0"])).toBe(false);
});

describe("a node", () => {
  let at = 0;
  const open = () => new LiveSettings(settings, () => at);

  test("starts with the defaults, of which some are the environment's", () => {
    const live = open();
    expect([live.known, live.get("limits.userPerMinute"), live.get("campus.timezone")]).toEqual([
      false,
      77,
      "Asia/Shanghai",
    ]);
  });

  test("takes what is told, and of the same revision who has a second factor", () => {
    const live = open();
    const heard: number[] = [];
    const stop = live.onTold(() => heard.push(live.get("applications.expiryDays")));
    live.take(told(3, { "applications.expiryDays": 7 }));
    live.take(told(3, { "applications.expiryDays": 7 }, ["somebody"]));
    expect([live.known, live.hasTotp("somebody"), live.hasTotp("other"), heard]).toEqual([
      true,
      true,
      false,
      [7, 7],
    ]);
    stop();
    live.take(told(4));
    expect([live.get("applications.expiryDays"), heard.length]).toEqual([14, 2]);
  });

  test("leaves out what the registry refuses, and what is no telling", () => {
    const live = open();
    live.take(
      told(1, { "limits.userPerMinute": "many", "registration.open": false, "no.such": 1, toString: 1 }),
    );
    expect([live.get("limits.userPerMinute"), live.get("registration.open")]).toEqual([77, false]);
    for (const bad of [
      {},
      told(1.5),
      told(-1),
      { ...told(9), values: null },
      { ...told(9), totp: "x" },
      told(Infinity),
    ])
      live.take(bad as ReturnType<typeof told>);
    expect(live.get("registration.open")).toBe(false);
  });

  test("ignores an older message while the newer one is told", () => {
    const live = open();
    live.take(told(5, { "registration.open": false }));
    for (let round = 0; round < 10; round++) {
      at += 2_000;
      live.take(told(5, { "registration.open": false }));
      live.take(told(4));
      expect(live.get("registration.open")).toBe(false);
    }
  });

  test("takes a lower revision when nobody tells the higher one any more: the database was restored", () => {
    const live = open();
    live.take(told(5, { "registration.open": false }));
    at += 9_000;
    live.take(told(3));
    expect(live.get("registration.open")).toBe(false);
    at += 2_000;
    live.take(told(3));
    expect(live.get("registration.open")).toBe(true);
    live.take(told(3, { "clubs.creationOpen": false }));
    expect(live.get("clubs.creationOpen")).toBe(false);
  });
});
