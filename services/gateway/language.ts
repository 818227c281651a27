import type { Language } from "../../lib/declare.ts";

/** Headers come from few clients, so almost every one was parsed before. */
const known = new Map<string, Language>();
const MAX_KNOWN = 1_000;

/** The language of `Accept-Language` (RFC 9110, 12.5.4) that we speak: `zh-*` is zh-CN; without a choice English. */
export function languageOf(header: string | undefined): Language {
  if (!header) return "en";
  const before = known.get(header);
  if (before) return before;
  const language = choose(header);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(header, language);
  return language;
}

function choose(header: string): Language {
  let best: Language = "en";
  let bestQ = 0;
  for (const part of header.split(",")) {
    const [range = "", ...parameters] = part.split(";").map((each) => each.trim().toLowerCase());
    const language = spoken(range);
    const q = qualityOf(parameters);
    if (!language || q <= bestQ) continue;
    best = language;
    bestQ = q;
  }
  return best;
}

function spoken(range: string): Language | null {
  const primary = range.split("-")[0];
  if (primary === "zh") return "zh-CN";
  return primary === "en" || primary === "*" ? "en" : null;
}

function qualityOf(parameters: string[]): number {
  const text = parameters.find((each) => each.startsWith("q="))?.slice(2);
  if (text === undefined) return 1;
  const q = Number(text);
  return q >= 0 && q <= 1 ? q : 0;
}
