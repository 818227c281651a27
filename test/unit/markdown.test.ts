import fc from "fast-check";
import MarkdownIt from "markdown-it";
import { html as names, parseFragment } from "parse5";
import type { DefaultTreeAdapterTypes } from "parse5";
import { MAX_HTML, renderMarkdown, sanitize } from "../../lib/markdown.ts";
import { PAYLOADS } from "../support/xss-payloads.ts";

const FILE = "/files/0197e0b0-1111-7abc-8def-0123456789ab";
const NOTHING: string[] = [];
/** Tags with their attributes, and what those may be. */
const TAGS: Record<string, readonly string[]> = {
  a: ["href", "title", "rel"],
  img: ["src", "alt", "title"],
  ol: ["start"],
  th: ["align"],
  td: ["align"],
  code: ["class"],
};
for (const tag of "p br hr h1 h2 h3 h4 h5 h6 blockquote ul li pre em strong s table thead tbody tr".split(
  " ",
))
  TAGS[tag] = NOTHING;
const VALUES: Record<string, RegExp> = {
  href: /^(https?:\/\/[^\s<>"]+|mailto:[^\s<>"]+|\/files\/[0-9a-f-]{36})$/i,
  src: /^\/files\/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  rel: /^nofollow ugc noopener$/,
  start: /^\d{1,9}$/,
  align: /^(left|center|right)$/,
  class: /^language-[\w+#.-]{1,30}$/,
};

/** What a browser would make of it that is not allowed. */
function faults(html: string): string[] {
  const found: string[] = [];
  const look = (node: DefaultTreeAdapterTypes.Node): void => {
    if (node.nodeName === "#comment" || node.nodeName === "#documentType") found.push(node.nodeName);
    if ("tagName" in node) {
      const { tagName, attrs, namespaceURI } = node;
      const allowed = Object.hasOwn(TAGS, tagName) ? TAGS[tagName] : null;
      if (!allowed || namespaceURI !== names.NS.HTML) found.push(tagName);
      for (const { name, value } of attrs)
        if (!allowed?.includes(name) || !(VALUES[name]?.test(value) ?? true))
          found.push(`${tagName} ${name}=${value}`);
      if (attrs.some(({ name }) => name === "href") && !attrs.some(({ name }) => name === "rel"))
        found.push(`${tagName} without rel`);
    }
    if ("childNodes" in node) node.childNodes.forEach(look);
  };
  look(parseFragment(html));
  return found;
}

describe("what people write does no harm", () => {
  test("there are enough payloads, and none is there twice", () => {
    expect(new Set(PAYLOADS).size).toBe(PAYLOADS.length);
    expect(PAYLOADS.length).toBeGreaterThan(250);
  });

  test.each(PAYLOADS)("%j", (payload) => {
    expect(faults(renderMarkdown(payload))).toEqual([]);
    // Inside other things, and as if Markdown had let it through.
    expect(faults(renderMarkdown(`> - **a** ${payload}\n\n| a |\n|---|\n| ${payload} |`))).toEqual([]);
    expect(faults(sanitize(payload))).toEqual([]);
    expect(faults(sanitize(`<table><tr><td>${payload}</td></tr></table>`))).toEqual([]);
  });

  test("nor do pieces of them in any order", () => {
    const pieces = [
      ...PAYLOADS.flatMap((payload) => payload.split(/(?<=[\s<>"'=()[\]])/)),
      ..."<>\"'`=()[]{}!*_~|#-+.\\/&;: \n\t".split(""),
      "\n\n",
      "\n    ",
      "```",
      "\n> ",
      "\n- ",
      "](",
      "![",
      "]: ",
      "&#",
      "&#x",
      "\0",
      "\u00a0",
      "\u2028",
      "style",
      "svg",
      "math",
      "</",
      "<!--",
      "-->",
      "https://a.example/",
      FILE,
      "|\n|-|\n|",
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, (body) => {
        expect(faults(renderMarkdown(body))).toEqual([]);
        expect(faults(sanitize(body))).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  test("with HTML let through and not cleaned most of them do, so the check sees them", () => {
    const careless = new MarkdownIt({ html: true, linkify: true });
    careless.validateLink = () => true;
    const seen = PAYLOADS.filter((payload) => faults(careless.render(payload)).length > 0);
    expect(seen.length).toBeGreaterThan(PAYLOADS.length * 0.8);
    // Cleaning alone is enough for HTML.
    expect(PAYLOADS.filter((payload) => faults(sanitize(careless.render(payload))).length > 0)).toEqual([]);
  });
});

describe("Markdown", () => {
  test.each([
    ["# Hi *there*", "<h1>Hi <em>there</em></h1>"],
    ["a **b** ~~c~~ `d`", "<p>a <strong>b</strong> <s>c</s> <code>d</code></p>"],
    ["**“强调”** 中文", "<p><strong>“强调”</strong> 中文</p>"],
    ["a\\\nb", "<p>a<br />\nb</p>"],
    ["> a", "<blockquote>\n<p>a</p>\n</blockquote>"],
    ["3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'],
    ["- a", "<ul>\n<li>a</li>\n</ul>"],
    ["```c++\n<b>\n```", '<pre><code class="language-c++">&lt;b&gt;\n</code></pre>'],
    ["---", "<hr />"],
    [
      '[a](https://b.example/?c=1&d=2 "t")',
      '<p><a href="https://b.example/?c=1&amp;d=2" title="t" rel="nofollow ugc noopener">a</a></p>',
    ],
    [
      "see https://b.example.",
      '<p>see <a href="https://b.example" rel="nofollow ugc noopener">https://b.example</a>.</p>',
    ],
    ["<a@b.example>", '<p><a href="mailto:a@b.example" rel="nofollow ugc noopener">a@b.example</a></p>'],
    [`![a](${FILE})`, `<p><img src="${FILE}" alt="a" /></p>`],
    [`[a](${FILE})`, `<p><a href="${FILE}" rel="nofollow ugc noopener">a</a></p>`],
    // Of a picture from elsewhere the description is left.
    ["![a *b* <c>](https://d.example/e.png)", "<p>a b &lt;c&gt;</p>"],
    ["[a](javascript:b)", "<p>[a](javascript:b)</p>"],
    ["<b>a</b> & c", "<p>&lt;b&gt;a&lt;/b&gt; &amp; c</p>"],
    [
      "|a|b|\n|:-|-:|\n|1|2|",
      '<table>\n<thead>\n<tr>\n<th align="left">a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td align="left">1</td>\n<td align="right">2</td>\n</tr>\n</tbody>\n</table>',
    ],
  ])("%j", (body, html) => {
    expect(renderMarkdown(body).trim()).toBe(html);
  });

  test("what is written is there: plain words are neither lost nor changed", () => {
    const word = fc.stringMatching(/^[\p{L}\p{N}]{1,10}$/u);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 50 }), (words) => {
        const text = words.join(" ");
        expect(renderMarkdown(text)).toBe(`<p>${text}</p>\n`);
      }),
    );
  });
});

/** 50,000 characters that cost careless renderers seconds, hours, or all memory. */
const LENGTH = 50_000;
const filled = (text: string): string => text.repeat(Math.ceil(LENGTH / text.length)).slice(0, LENGTH);
const halves = (open: string, close: string, each = LENGTH / 2): string =>
  open.repeat(each / open.length) + close.repeat(each / close.length);
const SLOW: Record<string, string> = {
  quotes: filled("> "),
  lists: filled("- "),
  "lists in lists": Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}- a`).join("\n"),
  "quotes in lists": filled("- > "),
  "lazy lines": "> ".repeat(20) + filled("b\n"),
  brackets: filled("["),
  "brackets in brackets": halves("[", "]"),
  "open links": filled("[a]("),
  "links in links": halves("[", "](b)"),
  "open pictures": filled("![["),
  "open titles": filled('[a](b "'),
  emphasis: filled("*a_ "),
  "emphasis of both kinds": filled("*a **a "),
  "emphasis in emphasis": halves("**x", "x**", 24_000),
  stars: filled("*"),
  "long delimiters": filled("a**b c* "),
  strikes: filled("~~a "),
  backticks: Array.from({ length: 300 }, (_, i) => `a${"`".repeat(i + 1)}`).join(""),
  entities: filled("&#"),
  autolinks: filled("<http:"),
  "mail addresses": filled("a@b.c "),
  hosts: filled("http://a@"),
  parentheses: `http://a.b/${"(".repeat(LENGTH - 20)}`,
  "wide tables": `${"|x".repeat(500)}\n${"|-".repeat(500)}\n${"|\n".repeat(24_000)}`,
  "long tables": `a|b\n-|-\n${filled("x|\n")}`,
  tables: filled("a|\n-|\n"),
  definitions: Array.from({ length: 3_500 }, (_, i) => `[a${i}]: /u\n`).join(""),
  "open definitions": filled("[a]: b (c\n"),
  "a long address with many names": `[a]: http://${"u&".repeat(12_500)}\n\n${"[a]".repeat(8_000)}`,
  "a long title with many names": `[a]: http://b "${"u&".repeat(12_000)}"\n\n${"[a]".repeat(8_000)}`,
  headings: filled("a\n=\n"),
  fences: filled("```\n"),
  comments: filled("<!--"),
  blanks: `a${" ".repeat(LENGTH - 2)}b`,
  zeros: filled("\0"),
};

describe("bounded time", () => {
  test.each(Object.keys(SLOW))("%s", (name) => {
    const started = performance.now();
    const html = renderMarkdown(SLOW[name] as string);
    times.push([name, performance.now() - started]);
    // Never more than a small multiple of the limit, which callers compare with.
    expect(html.length).toBeLessThan(2 * MAX_HTML);
    expect(faults(html)).toEqual([]);
  });

  const times: [string, number][] = [];
  afterAll(() => {
    const slowest = times.toSorted(([, a], [, b]) => b - a).slice(0, 5);
    process.stdout.write(
      `slowest: ${slowest.map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(", ")}\n`,
    );
  });

  test("too long comes out as too long", () => {
    const name = "a long address with many names";
    expect(Buffer.byteLength(renderMarkdown(SLOW[name] as string))).toBeGreaterThan(MAX_HTML);
  });
});
