/** The real lists of demo/README.md as clubs to found, and choices that come out the same on every run. */
import { readFileSync } from "node:fs";
import path from "node:path";

export interface NewClub {
  name: string;
  summary: string;
  category: string;
  tags: string[];
  joinPolicy: "review";
  questions: { id: string; label: string; type: "text"; required: boolean }[];
}

const read = (file: string): string[] =>
  readFileSync(path.join(import.meta.dirname, file), "utf8")
    .split(/\r?\n/)
    .filter((line) => line.trim());

/** Words in a name that tell the category; what none of them fits is an academic one. */
const CATEGORIES: [RegExp, string, string][] = [
  [
    /\b(service|volunteer|pbha|outreach|relief|refugee|tutor|mentor|health|shelter|habitat|peace corps)\b/i,
    "service",
    "service",
  ],
  [/\b(business|invest|consult|ventur|entrepreneur|trading|finance)/i, "entrepreneurship", "business"],
  [
    /\b(democrat|republican|politic|policy|government|model congress|debate|civil|rights|law)/i,
    "political",
    "debate",
  ],
  [/\b(peer|counsel|contact|room 13|echo|support)\b/i, "mutual-aid", "peers"],
  [
    /\b(dance|danc|choir|singers|theat|orchestra|band|music|film|art|comedy|improv|radio|magazine|club sport|ski|soccer|rugby|tennis|volleyball|hockey|badminton|archery|aikikai|cricket|fencing|cappella|opera|games?)/i,
    "culture-sports",
    "arts",
  ],
];

/** The 538 organizations of Harvard College in spring 2017. */
export function harvardClubs(): NewClub[] {
  return read("harvard-organizations-2017.txt").map((name) => {
    const [, category, tag] = CATEGORIES.find(([words]) => words.test(name)) ?? [null, "academic", "study"];
    return club(name, `${name} at Harvard College`, category, ["harvard", tag]);
  });
}

/** 127 clubs of the kinds found on Chinese campuses. */
export function chineseClubs(): NewClub[] {
  return read("clubs-zh.csv")
    .slice(1)
    .map((line) => {
      const [, name, category, tags, summary] = /^([^,]+),([^,]+),"([^"]+)","?(.+?)"?$/.exec(
        line,
      ) as unknown as [string, string, string, string, string];
      return club(name, summary, category, tags.split(","));
    });
}

function club(name: string, summary: string, category: string, tags: string[]): NewClub {
  return {
    name,
    summary,
    category,
    tags,
    joinPolicy: "review",
    questions: [
      { id: "why", label: "Why do you want to join? 为什么想加入？", type: "text", required: true },
    ],
  };
}

/** Whole numbers below `n` that come out the same on every run (mulberry32, public domain). */
export function dice(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n);
  };
}
