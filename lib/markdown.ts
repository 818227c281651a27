/** Markdown that people write, as HTML that anybody may be shown. docs/decisions/0020-markdown.md says what is allowed. */
import MarkdownIt from "markdown-it";
import type { Token } from "markdown-it";
import sanitizeHtml from "sanitize-html";
import { ID_PATTERN } from "./ids.ts";

/** Bytes of HTML that are kept of one text. */
export const MAX_HTML = 400_000;
const TOO_LONG = " ".repeat(MAX_HTML + 1);

/** What is deeper in quotes and lists is left out, and brackets that nobody closes cost no more time than this. */
const MAX_NESTING = 40;
const ADDRESS = /^(?:https?:\/\/|mailto:)[^\s\p{Cc}]+$/iu;
const OWN_FILE = new RegExp(`^/files/${ID_PATTERN.slice(1)}`);
const ALIGNED = /^text-align:(left|center|right)$/;
const TAGS =
  "p br hr h1 h2 h3 h4 h5 h6 blockquote ul ol li pre code em strong s a img table thead tbody tr th td";
type Transformer = (tagName: string, attributes: sanitizeHtml.Attributes) => sanitizeHtml.Tag;
const LINK: Transformer = (tagName, { href = "", title = "" }) => ({
  tagName,
  attribs: leads(href) ? { href, ...(title !== "" && { title }), rel: "nofollow ugc noopener" } : {},
});
const LIST: Transformer = (tagName, { start = "" }) => kept(tagName, "start", /^\d{1,9}$/.exec(start)?.[0]);
const CELL: Transformer = (tagName, { style = "" }) => kept(tagName, "align", ALIGNED.exec(style)?.[1]);

/** What is left of HTML, whatever it was. */
const ALLOWED: sanitizeHtml.IOptions = {
  allowedTags: TAGS.split(" "),
  allowedAttributes: {
    a: ["href", "title", "rel"],
    img: ["src", "alt", "title"],
    ol: ["start"],
    th: ["align"],
    td: ["align"],
    code: ["class"],
  },
  allowedClasses: { code: [/^language-[\w+#.-]{1,30}$/] },
  allowedSchemes: ["http", "https", "mailto"],
  allowProtocolRelative: false,
  disallowedTagsMode: "discard",
  transformTags: {
    a: LINK,
    ol: LIST,
    th: CELL,
    td: CELL,
  },
  exclusiveFilter: ({ tag, attribs }) => tag === "img" && !OWN_FILE.test(attribs["src"] ?? ""),
};

const markdown = new MarkdownIt({ html: false, linkify: true, typographer: false });
markdown.set({ maxNesting: MAX_NESTING });
markdown.validateLink = leads;
const { image } = markdown.renderer.rules;
// Of a picture from elsewhere its description is left, since showing it would tell others who reads.
markdown.renderer.rules.image = (tokens, index, options, env, self) => {
  const token = tokens[index];
  const own = OWN_FILE.test(String(token?.attrGet("src") ?? ""));
  if (own && image) return image(tokens, index, options, env, self);
  return markdown.utils.escapeHtml(self.renderInlineAsText(token?.children ?? [], options, env));
};

/**
 * Renders CommonMark, with tables and strikethrough, to HTML that holds nothing but an allow list of tags, attributes and
 * schemes. Takes 50,000 characters in bounded time, whatever they are; what would be longer than `MAX_HTML` comes out as
 * blanks, one more than that, and is not worked on: callers refuse what is longer.
 */
export function renderMarkdown(body: string): string {
  const tokens = markdown.parse(body, {});
  if (lengthOf(tokens) > MAX_HTML) return TOO_LONG;
  const html = markdown.renderer.render(tokens, markdown.options, {});
  return html.length > MAX_HTML ? TOO_LONG : sanitize(html);
}

/** The second line: what remains of HTML that should have been harmless already. */
export function sanitize(html: string): string {
  return sanitizeHtml(html, ALLOWED);
}

/** To a page, an address for mail, or a file of our own. */
function leads(address: string): boolean {
  return ADDRESS.test(address) || OWN_FILE.test(address);
}

function kept(tagName: string, name: string, value: string | undefined): sanitizeHtml.Tag {
  return { tagName, attribs: value === undefined ? {} : { [name]: value } };
}

/** Characters of the HTML at least. A reference writes its address and title wherever its name stands. */
function lengthOf(tokens: Token[]): number {
  return tokens.reduce((sum, { tag, content, children, attrs }) => {
    const written = (attrs ?? []).reduce((length, [, value]) => length + String(value).length, 0);
    return sum + tag.length + written + (children ? lengthOf(children) : content.length);
  }, 0);
}
