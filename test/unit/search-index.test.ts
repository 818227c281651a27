import fc from "fast-check";
import { type SearchDocument, SearchIndex, type SearchQuery } from "../../lib/search/index.ts";
import { indexOf, named, SEARCH_OPTIONS, visible } from "../support/search-documents.ts";

const ask = (q: string, more: Partial<SearchQuery> = {}): SearchQuery => ({
  q,
  sort: "relevance",
  limit: 100_000,
  ...more,
});
const ids = (index: SearchIndex, q: string): string[] => index.search(ask(q)).items.map(({ id }) => id);
const highlights = (document: SearchDocument, q: string) =>
  indexOf([document]).search(ask(q)).items[0]?.highlights;

describe("highlights", () => {
  const club = named("大学生读书协会 <Reading & Café>", {
    tags: ["读书", "R&D"],
    fields: { summary: "我们读书，我们写作", description: "no match" },
  });

  test.each([
    [
      "读书",
      {
        name: "大学生<em>读书</em>协会 &lt;Reading &amp; Café&gt;",
        tags: "<em>读书</em>, R&amp;D",
        summary: "我们<em>读书</em>，我们写作",
      },
    ],
    ["dushu", { name: "大学生<em>读书</em>协会 &lt;Reading &amp; Café&gt;", tags: "<em>读书</em>, R&amp;D" }],
    ["dsxh", { name: "大学生<em>读书协会</em> &lt;Reading &amp; Café&gt;" }],
    [
      "du shu",
      { name: "大学生<em>读书</em>协会 &lt;Reading &amp; Café&gt;", tags: "<em>读书</em>, R&amp;D" },
    ],
    ["shuxei", { name: "大学生读<em>书协</em>会 &lt;Reading &amp; Café&gt;" }],
    ["cafe", { name: "大学生读书协会 &lt;Reading &amp; <em>Café</em>&gt;" }],
    ["READ", { name: "大学生读书协会 &lt;<em>Read</em>ing &amp; Café&gt;" }],
    ["raeding", { name: "大学生读书协会 &lt;<em>Reading</em> &amp; Café&gt;" }],
    ["d", { tags: "读书, R&amp;<em>D</em>", name: "<em>大</em>学生读书协会 &lt;Reading &amp; Café&gt;" }],
    [
      "毒书协会",
      {
        name: "大学生<em>读书协会</em> &lt;Reading &amp; Café&gt;",
        tags: "读<em>书</em>, R&amp;D",
        summary: "我们读<em>书</em>，我们写作",
      },
    ],
    [
      "写作 大学生",
      { name: "<em>大学生</em>读书协会 &lt;Reading &amp; Café&gt;", summary: "我们读书，我们<em>写作</em>" },
    ],
  ])("%s", (q, expected) => {
    expect(highlights(club, q)).toEqual(expected);
  });

  test("accents written apart stay with their letter", () => {
    expect(highlights(named("Cafe\u0301s"), "cafe")).toEqual({ name: "<em>Cafe\u0301</em>s" });
  });

  test("of a long field the part with the most matches", () => {
    const filler = "关于其他事情的许多话。".repeat(50);
    const description = `${filler}读书一次。${filler}我们读书，天天读书，还是读书。${filler}`;
    const html = highlights(named("社", { fields: { description } }), "读书")!["description"]!;
    expect(html.match(/<em>读书<\/em>/g)).toHaveLength(3);
    expect(visible(html).length).toBeLessThanOrEqual(200);
    expect(description).toContain(visible(html));
  });

  test("far behind in a text of many thousand characters", () => {
    for (const filler of ["关于其他事情的许多话", "𠮷", "words of something else ", "x"]) {
      for (const length of [3997, 3998, 3999, 4000, 19_000]) {
        const description = `${filler.repeat(20_000).slice(0, length)} 我们读书 and discuss`.toWellFormed();
        const html = highlights(named("社", { fields: { description } }), "读书 discuss")!["description"]!;
        expect(html).toMatch(/我们<em>读书<\/em> and <em>discuss<\/em>$/);
        expect(description).toContain(visible(html));
      }
    }
  });

  /** Pieces that meet in odd ways: markup, surrogate pairs, apostrophes, accents, pinyin, other scripts. */
  const piece = fc.constantFrom(
    ..."读 书 会 大 学 生 du shu d s music Musik muisc O'Neil <em> </em> <b> & &lt; \" ' é e\u0301 ½ 𠮷 🎸 か カ 한국 , 。 \n İ ß ＡＢ".split(
      " ",
    ),
    " ",
  );
  const prose = (maxLength: number) =>
    fc.array(piece, { minLength: 1, maxLength }).map((pieces) => pieces.join(""));
  const anything = fc.record({
    name: prose(8),
    summary: prose(20),
    description: fc.oneof(
      prose(5),
      prose(300).map((text) => text.repeat(3)),
    ),
    tags: fc.array(prose(2), { maxLength: 3 }),
  });

  test("are text of the document, escaped, with marks that are no other markup", () => {
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 4 }), prose(4), (contents, q) => {
        const documents = contents.map(({ tags, ...fields }) => named(fields.name, { fields, tags }));
        const { items } = indexOf(documents).search(ask(q));
        for (const item of items) {
          const { fields, tags } = documents.find(({ id }) => id === item.id)!;
          // A loose match (score below 1) may reach over what stands between its letters, where nothing is marked.
          if (item.score >= 1) expect(Object.keys(item.highlights)).not.toHaveLength(0);
          for (const [field, html] of Object.entries(item.highlights)) {
            expect(html.replace(/<em>[^<>]+<\/em>/g, "")).not.toMatch(/[<>"']/);
            expect(html).toContain("<em>");
            expect(visible(html).length).toBeLessThanOrEqual(
              Math.max(200, field === "description" ? 0 : 2000),
            );
            expect(field === "tags" ? tags.join(", ") : fields[field]!).toContain(visible(html));
            expect(visible(html).isWellFormed()).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("whatever has a letter is found by itself", () => {
    fc.assert(
      fc.property(prose(8), (name) => {
        fc.pre(/[\p{L}\p{N}\p{So}]/u.test(name));
        const document = named(name);
        const index = indexOf([named("别的"), document]);
        expect(ids(index, name)[0]).toBe(document.id);
        expect(index.suggest(name)[0]?.id).toBe(document.id);
      }),
    );
  });
});

describe("versions", () => {
  test("an older or equal one changes nothing, also after removal", () => {
    const club = named("读书会");
    const index = new SearchIndex(SEARCH_OPTIONS);
    expect(index.put({ ...club, version: 3 })).toBe(true);
    expect(index.put({ ...club, version: 3, fields: { name: "书法社" } })).toBe(false);
    expect(index.remove(club.id, 2)).toBe(false);
    expect(ids(index, "读书")).toEqual([club.id]);
    expect(index.remove(club.id, 5)).toBe(true);
    expect(index.put({ ...club, version: 4 })).toBe(false);
    expect(index.size).toBe(0);
    expect(ids(index, "读书")).toEqual([]);
    expect(index.put({ ...club, version: 6 })).toBe(true);
    expect(ids(index, "读书")).toEqual([club.id]);
    index.clear();
    expect([index.size, ids(index, "读书"), index.suggest("读书")]).toEqual([0, [], []]);
    expect(index.put(club)).toBe(true);
  });

  test("a removal that comes before the put it follows", () => {
    const index = new SearchIndex(SEARCH_OPTIONS);
    index.remove("x", 2);
    expect(index.put({ ...named("读书会"), id: "x", version: 1 })).toBe(false);
  });

  test("facets and order follow a change that leaves the text alone; popularity may change without a version", () => {
    const [a, b] = [named("读书会"), named("读书社")];
    const index = indexOf([a, b]);
    index.put({ ...a, version: 2, category: "service", popularity: 5 });
    expect(index.search(ask("读书", { category: "service" })).items.map(({ id }) => id)).toEqual([a.id]);
    expect(index.search(ask("读书", { sort: "popular" })).items[0]!.id).toBe(a.id);
    expect(index.setPopularity(b.id, 9)).toBe(true);
    expect(index.search(ask("读书", { sort: "popular" })).items[0]!.id).toBe(b.id);
    expect(index.setPopularity("none", 9)).toBe(false);
  });

  const names = ["读书会", "书法社", "大学生读书协会", "Chess Club", "Chess and Jazz", "Jazz", "音乐社"];
  const step = fc.record({
    id: fc.constantFrom("a", "b", "c", "d"),
    version: fc.nat(12),
    name: fc.option(fc.constantFrom(...names), { nil: null, freq: 3 }),
    tag: fc.constantFrom("艺术", "棋"),
  });

  test("after any history, as if only the last versions had ever been", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const index = new SearchIndex(SEARCH_OPTIONS);
        const last = new Map<string, { version: number; document: SearchDocument | null }>();
        for (const { id, version, name, tag } of steps) {
          const known = last.get(id)?.version ?? -1;
          const document =
            name === null
              ? null
              : { ...named(name), id, version, tags: [tag], createdAt: "2026-01-01T00:00:00.000Z" };
          const counts = document === null ? version >= known : version > known;
          expect(document === null ? index.remove(id, version) : index.put(document)).toBe(counts);
          if (counts) last.set(id, { version, document });
        }
        const fresh = indexOf([...last.values()].flatMap(({ document }) => document ?? []));
        expect(index.size).toBe(fresh.size);
        for (const q of ["读书", "s", "chess", "jzaz", "艺术", "shufa", "dsxh", "棋 chess"]) {
          expect(index.search(ask(q))).toEqual(fresh.search(ask(q)));
          expect(index.suggest(q)).toEqual(fresh.suggest(q));
        }
      }),
    );
  });

  test("many replacements leave no trace", () => {
    const many = Array.from({ length: 1500 }, (_, i) => named(`读书会${i}`, { tags: [`t${i % 30}`] }));
    const untouched = [named("书法读书会"), named("Chess 1400")];
    const index = indexOf([...untouched, ...many]);
    const later = many.map((club, i) => ({
      ...club,
      version: 2,
      fields: { name: i % 3 === 0 ? `书法社${i}` : `Chess ${i}` },
    }));
    for (const club of later) index.put(club);
    for (const { id } of later.slice(0, 700)) index.remove(id, 3);
    const fresh = indexOf([...untouched, ...later.slice(700)]);
    expect(index.size).toBe(802);
    for (const q of ["读书", "书法", "chess", "shufa", "1400", "会"]) {
      expect(index.search(ask(q))).toEqual(fresh.search(ask(q)));
    }
    expect(index.search(ask("chess", { tag: "t1" }))).toEqual(fresh.search(ask("chess", { tag: "t1" })));
  });
});

test("what cannot be an index is refused", () => {
  expect(() => new SearchIndex({ fields: { title: 1 }, nameField: "name" })).toThrow(/nameField "name"/);
  const fields = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, 1]));
  expect(() => new SearchIndex({ fields, nameField: "f0" })).toThrow(/At most 8/);
});
