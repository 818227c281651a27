import fc from "fast-check";
import { NumberMap } from "../../lib/search/number-map.ts";
import { plainOf } from "../../lib/search/plain.ts";
import { Postings } from "../../lib/search/postings.ts";
import { soundOf } from "../../lib/search/sound.ts";
import { SYLLABLES, syllablesOf } from "../../lib/search/syllables.ts";
import { type TextDocument, TextIndex, type TextQuery } from "../../lib/search/texts/index.ts";

const ask = (q: string, more: Partial<TextQuery> = {}): TextQuery => ({
  q,
  clubId: null,
  tag: null,
  limit: 100_000,
  after: null,
  ...more,
});
let number = 0;
function document(title: string, text = "", more: Partial<TextDocument> = {}): TextDocument {
  number += 1;
  const id = String(number).padStart(6, "0");
  return {
    id,
    version: 1,
    title,
    text,
    tags: [],
    clubId: null,
    ...more,
  };
}
const ids = (index: TextIndex, q: string): string[] => index.search(ask(q)).items.map(({ id }) => id);

describe("plainOf", () => {
  test.each([
    ["# 标题\n正文", "标题 正文"],
    ["读**书**会 *one* ~~two~~ `three`", "读书会 one two three"],
    ["2*3 = 6 snake_case _leaning_", "2*3 = 6 snake_case leaning"],
    ["- a\n* b\n1. c\n> > d", "a b c d"],
    ["[社团](https://example.edu/x) ![图](a.png) [x][1]\n\n[1]: https://example.edu", "社团 图 x"],
    ["```js\nlet a = 1;\n```", "let a = 1;"],
    ["| a | b |\n|---|:-:|\n| c | d |", "a b c d"],
    ["<b>fat</b> 1 < 2 \\*kept\\* \\<img\\>", "fat 1 < 2 *kept* <img>"],
    ["", ""],
  ])("%j", (markdown, plain) => expect(plainOf(markdown)).toBe(plain));

  test("keeps letters and digits of what has no marks", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9读书会社团]{1,8}$/), { minLength: 1 }), (words) => {
        expect(plainOf(words.join(" "))).toBe(words.join(" "));
      }),
    );
  });

  test.each(["[", "![", "<a ", "*", "**a", "_", "`", "> ", "\\", "[a](", "|-", "# "])(
    "50,000 characters of %j do not keep it long",
    (mark) => {
      // Would take minutes where the time grows with the square.
      expect(plainOf(mark.repeat(Math.ceil(50_000 / mark.length))).length).toBeLessThanOrEqual(50_001);
    },
  );
});

describe("syllables", () => {
  test("of all common characters are known", () => {
    const common =
      "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府称太准精值号率族维划选标写存候毛亲快效斯院查江型眼王按格养易置派层片始却专状育厂京识适属圆包火住调满县局照参红细引听该铁价严";
    const unknown = Array.from(common).filter((character) => !SYLLABLES.has(soundOf(character)));
    expect(unknown).toEqual([]);
  });

  test("what is typed is read in each way", () => {
    expect(syllablesOf("dushuhui")).toEqual([["du", "shu", "hui"]]);
    expect(syllablesOf("xianguo")).toContainEqual(["xi", "an", "guo"]);
    expect(syllablesOf("tianwenguanc")[0]).toEqual(["tian", "wen", "guan", "c"]);
    expect(syllablesOf("robotics")).toEqual([]);
    expect(syllablesOf("")).toEqual([]);
  });

  test("each way is the letters again, however many there are", () => {
    const syllable = fc.constantFrom(...SYLLABLES);
    fc.assert(
      fc.property(fc.array(syllable, { minLength: 1, maxLength: 12 }), (said) => {
        const ways = syllablesOf(said.join(""));
        expect(ways.length).toBeGreaterThan(0);
        for (const way of ways) expect(way.join("")).toBe(said.join(""));
      }),
    );
  });
});

test("a map of numbers keeps what a Map keeps", () => {
  const key = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2 ** 32 - 1 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.nat()), { maxLength: 6_000, size: "max" }), (entries) => {
      const map = new NumberMap();
      for (const [at, value] of entries) map.set(at, value);
      const expected = new Map(entries);
      expect(new Map(map.entries())).toEqual(expected);
      for (const [at, value] of expected) expect(map.get(at)).toBe(value);
      expect(map.get(2 ** 31 + 7)).toBe(expected.get(2 ** 31 + 7));
    }),
    { numRuns: 20 },
  );
});

test("postings keep what arrays keep", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 3_000 })), { maxLength: 12 }),
      (runs) => {
        const postings = new Postings();
        const terms = Array.from({ length: 6 }, () => postings.newTerm());
        const expected = terms.map((): number[] => []);
        for (const [term, count] of runs)
          for (let i = 0; i < count; i++) {
            const value = (i * 2_654_435_761) % 2 ** 32;
            postings.add(terms[term] ?? 0, value);
            expected[term]?.push(value);
          }
        const kept = terms.map((term) => {
          const found: number[] = [];
          postings.each(term, (posting) => found.push(posting));
          return found;
        });
        expect(kept).toEqual(expected);
      },
    ),
    { numRuns: 30 },
  );
});

describe("an index of texts", () => {
  test("finds each pair of characters where it stands, whatever was changed and removed", () => {
    const characters = fc.stringMatching(/^[甲乙丙丁𠮷]{0,12}$/u);
    const change = fc.record({
      at: fc.nat(30),
      title: characters,
      text: characters,
      removed: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 80 }),
        fc.stringMatching(/^[甲乙丙丁𠮷]{1,2}$/u),
        (changes, q) => {
          const index = new TextIndex();
          const model = new Map<string, string>();
          for (const [i, { at, title, text, removed }] of changes.entries()) {
            const id = String(at);
            if (removed) index.remove(id, i + 1);
            else index.put(document(title, text, { id, version: i + 1 }));
            if (removed) model.delete(id);
            else model.set(id, `${title} ${text}`);
          }
          const expected = [...model].filter(([, all]) => all.includes(q)).map(([id]) => id);
          // Where nothing has it, other characters of the same sound are allowed.
          if (expected.length > 0) expect(new Set(ids(index, q))).toEqual(new Set(expected));
          expect(index.size).toBe(model.size);
        },
      ),
    );
  });

  test("stays the same through compactions", () => {
    const index = new TextIndex();
    const documents = Array.from({ length: 3_000 }, (_, i) => document(`填充${i}`, `正文 word${i}`));
    for (const one of documents) index.put(one);
    for (const one of documents.slice(0, 2_000)) index.remove(one.id, 1);
    for (const one of documents.slice(2_000, 2_500))
      index.put({ ...one, version: 2, title: `更新 ${one.title}` });
    expect(index.size).toBe(1_000);
    expect(index.search(ask("填充")).total).toBe(1_000);
    expect(index.search(ask("更新")).total).toBe(500);
    expect(index.search(ask("gengxin")).total).toBe(500);
    expect(index.search(ask("word2700")).total).toBe(1);
    expect(index.search(ask("word5")).items.every(({ highlights }) => "body" in highlights)).toBe(true);
  });

  test("an older version changes nothing, a removed one does not come back", () => {
    const index = new TextIndex();
    const one = document("读书会");
    expect(index.put({ ...one, version: 2, title: "围棋" })).toBe(true);
    expect(index.put(one)).toBe(false);
    expect(ids(index, "围棋")).toEqual([one.id]);
    expect(index.remove(one.id, 1)).toBe(false);
    expect(index.remove(one.id, 2)).toBe(true);
    expect(index.put({ ...one, version: 2 })).toBe(false);
    expect(index.size).toBe(0);
  });

  test("what makes much of a text is before what does so in passing; the whole title before all", () => {
    const index = new TextIndex();
    const passing = document("周报", `${"今天做了很多别的事情，".repeat(20)}还有攀岩`);
    const about = document("周报", "攀岩，攀岩，还是攀岩");
    const titled = document("攀岩的周末");
    const whole = document("攀岩");
    // Newer than all of them, and in passing too.
    const newer = document("月报", passing.text);
    for (const one of [passing, about, titled, whole, newer]) index.put(one);
    expect(ids(index, "攀岩")).toEqual([whole.id, titled.id, about.id, newer.id, passing.id]);
  });
});
