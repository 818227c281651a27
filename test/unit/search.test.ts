import { pinyin } from "pinyin-pro";
import type { SearchCursor, SearchIndex, SearchQuery } from "../../lib/search/index.ts";
import { indexOf, named, realClubs, visible } from "../support/search-documents.ts";

const ask = (q: string, more: Partial<SearchQuery> = {}): SearchQuery => ({
  q,
  sort: "relevance",
  limit: 1000,
  ...more,
});

const clubs = realClubs();
const all = indexOf(clubs);
const nameOf = new Map(clubs.map((club) => [club.id, club.fields["name"]!]));
const found = (q: string, more?: Partial<SearchQuery>): string[] =>
  all.search(ask(q, more)).items.map(({ id }) => nameOf.get(id)!);

const names = (index: SearchIndex, q: string): string[] =>
  index.search(ask(q)).items.map(({ highlights }) => visible(highlights["name"] ?? ""));

describe("the real lists", () => {
  test("every club is found by its name, and nothing stands before it but one of the same name", () => {
    for (const { fields } of clubs) expect(found(fields["name"]!)[0]).toBe(fields["name"]);
  });

  test("every club is found by its pinyin, with and without spaces", () => {
    for (const { fields } of clubs) {
      const spelled = pinyin(fields["name"]!, { toneType: "none", nonZh: "consecutive" });
      expect(found(spelled)).toContain(fields["name"]);
      if (/^\p{Script=Han}+$/u.test(fields["name"]!))
        expect(found(spelled.replaceAll(" ", ""))).toContain(fields["name"]);
    }
  });

  test("every club is found by its initials", () => {
    for (const { fields } of clubs) {
      const name = fields["name"]!;
      const initials = /\p{Script=Han}/u.test(name)
        ? pinyin(name, { pattern: "first", toneType: "none", separator: "" })
        : Array.from(name.replaceAll("'", "").matchAll(/[a-z0-9]+/gi), ([word]) => word[0]).join("");
      expect(found(initials)).toContain(name);
    }
  });

  test("every club is suggested for its name, and for how it begins in pinyin", () => {
    for (const { id, fields } of clubs) {
      expect(all.suggest(fields["name"]!)[0]!.name).toBe(fields["name"]);
      const typed = pinyin(fields["name"]!, { toneType: "none", nonZh: "consecutive", separator: "" }).slice(
        0,
        9,
      );
      expect(all.suggest(typed, 1000).map((club) => club.id)).toContain(id);
    }
  });

  test("calligraphy finds what speaks of calligraphy", () => {
    expect(found("书法")).toEqual(
      clubs.filter((club) => JSON.stringify(club).includes("书法")).map((club) => club.fields["name"]),
    );
  });

  test("facets count all hits, not the page", () => {
    const { facets, total, items } = all.search(ask("读书", { limit: 2 }));
    const hits = clubs.filter((club) => /读书/.test(JSON.stringify(club)));
    expect(items).toHaveLength(2);
    expect(total).toBe(hits.length);
    expect(facets.tag[0]).toEqual({
      value: "读书",
      count: hits.filter((club) => club.tags.includes("读书")).length,
    });
    expect(facets.category.reduce((sum, { count }) => sum + count, 0)).toBe(hits.length);
    const counts = facets.tag.map(({ count }) => count);
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
    expect(all.search(ask("协会")).facets.tag).toHaveLength(20);
  });

  test("filters by category and tag", () => {
    const hits = clubs.filter((club) => club.tags.includes("读书") && club.category === "academic");
    const result = all.search(ask("读书", { category: "academic", tag: "读书" }));
    expect(result.total).toBe(hits.length);
    expect(result.facets.category).toEqual([{ value: "academic", count: hits.length }]);
    expect(all.search(ask("读书", { category: "none" })).total).toBe(0);
    expect(all.search(ask("读书", { tag: "none" })).total).toBe(0);
  });

  test("pages visit each hit once, in the order of the sort", () => {
    for (const q of ["协会", "society", "s", "dushu"]) {
      for (const sort of ["relevance", "popular", "new"] as const) {
        const visited: string[] = [];
        let after: SearchCursor | undefined;
        do {
          const { items, next, total } = all.search(ask(q, { sort, limit: 7, after }));
          expect(total).toBe(all.search(ask(q)).total);
          visited.push(...items.map(({ id }) => id));
          // Through text and back, as clients send it.
          after = next === null ? undefined : (JSON.parse(JSON.stringify(next)) as SearchCursor);
        } while (after !== undefined);
        expect(visited).toEqual(all.search(ask(q, { sort })).items.map(({ id }) => id));
        expect(new Set(visited).size).toBe(visited.length);
      }
    }
    const times = all.search(ask("协会", { sort: "new" })).items.map(({ id }) => id);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  test.each([
    ["astronmy", "Student Astronomers at Harvard-Radcliffe (STAHR)", false],
    ["voleyball", "Volleyball (Men)", true],
    ["chmaber orchsetra", "Baroque Chamber Orchestra", true],
    ["sociey", "Organ Society", true],
    ["shufaxeihui", "书法协会", true],
    ["shuf xieh", "书法协会", true],
    ["yinyu", "音乐剧社", true],
    ["书法斜会", "书法协会", true],
    ["nvsheng", "书法协会", false],
    ["ＣＨＥＳＳ", "Chess Club", true],
    ["mens", "Volleyball (Men)", false],
    ["ctf", "网络安全协会", true],
  ])("%s finds %s: %s", (q, name, yes) => {
    expect(found(q).includes(name)).toBe(yes);
  });
});

describe("ranking", () => {
  test("the name itself, then names that begin so, then names, tags, summary, description", () => {
    const written = [
      named("天文"),
      named("天文学会"),
      named("大学生天文学会"),
      named("星空社", { tags: ["天文"] }),
      named("夜行社", { fields: { summary: "天文观测与夜跑" } }),
      named("远足社", { fields: { description: "山上也讲天文" } }),
    ];
    const index = indexOf(written.toReversed());
    expect(index.search(ask("天文")).items.map(({ id }) => id)).toEqual(written.map(({ id }) => id));
  });

  test("all words before some of them", () => {
    const index = indexOf([named("Chess Club"), named("Jazz Club"), named("Chess and Jazz")]);
    expect(names(index, "jazz chess")).toEqual(["Chess and Jazz"]);
    expect(index.search(ask("jazz unheard")).total).toBe(2);
    expect(index.search(ask("chess poetry jazz")).items).toHaveLength(3);
    expect(names(index, "chess poetry jazz")[0]).toBe("Chess and Jazz");
  });

  test("popularity decides among equals", () => {
    const index = indexOf([
      named("A 读书会", { popularity: 1 }),
      named("C 读书会", { popularity: 9 }),
      named("B 读书会", { popularity: 5 }),
    ]);
    expect(names(index, "读书")).toEqual(["C 读书会", "B 读书会", "A 读书会"]);
    expect(
      index
        .search(ask("读书", { sort: "popular" }))
        .items.map(({ highlights }) => visible(highlights["name"]!)[0]),
    ).toEqual(["C", "B", "A"]);
  });

  test("typos only where nothing is as written", () => {
    const index = indexOf([named("Dance"), named("Lance")]);
    expect(names(index, "dance")).toEqual(["Dance"]);
    expect(names(index, "pance").toSorted()).toEqual(["Dance", "Lance"]);
    expect(names(index, "dan")).toEqual(["Dance"]);
    expect(names(index, "pan")).toEqual([]);
  });

  test.each(["orhcestra", "ocrhestar", "rochetsra", "orcestar"])("%s is orchestra in every field", (q) => {
    const documents = [
      named("Orchestra"),
      named("A", { tags: ["orchestra"] }),
      named("B", { fields: { summary: "An orchestra" } }),
      named("C", { fields: { description: "Our orchestra" } }),
    ];
    const { items } = indexOf(documents).search(ask(q));
    expect(items.map(({ id }) => id).toSorted()).toEqual(documents.map(({ id }) => id));
    for (const { highlights } of items)
      expect(Object.values(highlights).join()).toMatch(/<em>orchestra<\/em>/i);
  });

  test("two tags are never read as one", () => {
    const { items } = indexOf([named("教教社", { tags: ["支教", "教育"] })]).search(ask("jiaojiao"));
    expect(items[0]!.highlights).toEqual({ name: "<em>教教</em>社" });
    // Nor is the border between them, or between the name and them, a typo.
    const index = indexOf([named("书法社", { tags: ["支教", "教育"] })]);
    for (const q of ["jiaojiao", "shezhijiao", "fashezhijiao"]) expect(index.search(ask(q)).total).toBe(0);
    expect(index.search(ask("jiaoyv")).total).toBe(1);
  });

  test("words of Chinese, pinyin in pieces, initials, other writings", () => {
    const index = indexOf([
      named("大学生读书协会"),
      named("读者俱乐部"),
      named("女生绿色出行社"),
      named("C++ 小组"),
      named("清華讀書會"),
    ]);
    expect(names(index, "读书")).toEqual(["大学生读书协会"]);
    expect(names(index, "读书会 大学生")).toEqual(["大学生读书协会"]);
    for (const q of ["du shu xie", "dushux", "dsxh", "dusuhxiehui", "daxuesheng xiehui"]) {
      expect(names(index, q)).toEqual(["大学生读书协会"]);
    }
    for (const q of ["lvse", "luse", "lüse", "nvsheng", "nslscx"])
      expect(names(index, q)).toEqual(["女生绿色出行社"]);
    // Too short for typos.
    for (const q of ["nv", "nu", "lv"]) expect(names(index, q)).toEqual(["女生绿色出行社"]);
    expect(names(index, "c++")).toEqual(["C++ 小组"]);
    expect(names(index, "清华")).toEqual(["清華讀書會"]);
    expect(names(index, "dsh")).toEqual(["清華讀書會"]);
    expect(names(index, "清华读书会")).toEqual(["清華讀書會"]);
  });

  test("nothing to look for finds nothing", () => {
    for (const q of ["!!!", " ", "。", "\u200b"]) {
      expect(all.search(ask(q))).toEqual({
        items: [],
        facets: { category: [], tag: [] },
        total: 0,
        next: null,
      });
      expect(all.suggest(q)).toEqual([]);
    }
  });
});

describe("suggest", () => {
  const index = indexOf([
    named("读书会", { popularity: 1 }),
    named("读书协会", { popularity: 8 }),
    named("大学生读书社", { popularity: 99 }),
    named("独舞社", { popularity: 5 }),
    named("Debate Union", { popularity: 3 }),
  ]);
  const suggested = (q: string, limit?: number): string[] => index.suggest(q, limit).map(({ name }) => name);

  test.each([
    ["读书", ["读书协会", "读书会", "大学生读书社"]],
    ["读书会", ["读书会"]],
    ["du", ["读书协会", "独舞社", "Debate Union", "读书会", "大学生读书社"]],
    ["dush", ["读书协会", "读书会", "大学生读书社"]],
    ["ds", ["读书协会", "读书会", "大学生读书社"]],
    ["读书xi", ["读书协会"]],
    ["union", ["Debate Union"]],
    ["debaet", ["Debate Union"]],
    ["dsuhuxie", ["读书协会"]],
    ["毒书协", ["读书协会"]],
    ["xyz", []],
  ])("%s", (q, expected) => {
    expect(suggested(q)).toEqual(expected);
  });

  test("as many as asked, ten by default", () => {
    expect(suggested("du", 2)).toEqual(["读书协会", "独舞社"]);
    expect(all.suggest("协")).toHaveLength(10);
  });
});
