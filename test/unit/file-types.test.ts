import fc from "fast-check";
import sharp from "sharp";
import { cleanName, isReally, isShown, limitOf, typesFor } from "../../lib/file-types.ts";
import { officeOf, zipOf } from "../support/zips.ts";

const OFFICE = "application/vnd.openxmlformats-officedocument";
const DOCX = `${OFFICE}.wordprocessingml.document`;
const XLSX = `${OFFICE}.spreadsheetml.sheet`;
const PPTX = `${OFFICE}.presentationml.presentation`;
const ZIP = "application/zip";

describe("which types", () => {
  test("avatars and logos are pictures, the others also documents, and none is what browsers run", () => {
    const pictures = ["image/png", "image/jpeg", "image/webp", "image/gif"];
    expect([typesFor("avatar"), typesFor("logo")]).toEqual([pictures, pictures]);
    const all = [...pictures, "application/pdf", DOCX, XLSX, PPTX, "text/plain", ZIP];
    expect([typesFor("post"), typesFor("activity")]).toEqual([all, all]);
    const limits = { picture: 5, document: 20 };
    expect([limitOf("image/png", limits), limitOf(ZIP, limits)]).toEqual([5 * 2 ** 20, 20 * 2 ** 20]);
    expect(() => limitOf("text/html", limits)).toThrow(TypeError);
    expect(() => limitOf("constructor", limits)).toThrow(TypeError);
  });

  test("pictures and PDF are shown, all else is saved", () => {
    expect(typesFor("post").filter(isShown)).toEqual([...typesFor("logo"), "application/pdf"]);
  });
});

describe("names", () => {
  test.each([
    ["photo.png", "image/png", "photo.png"],
    ["社团招新 海报.PNG", "image/png", "社团招新 海报.png"],
    ["photo.jpeg", "image/jpeg", "photo.jpeg"],
    ["photo.png", "image/jpeg", "photo.jpg"],
    ["evil.exe", "image/png", "evil.exe.png"],
    ["page.html", "text/plain", "page.html.txt"],
    ["../../etc/passwd", "text/plain", "passwd.txt"],
    ["C:\\Users\\李明\\计划.docx", DOCX, "计划.docx"],
    ["a\u202egnp.exe", "image/png", "agnp.exe.png"],
    ["zero\u200bwidth\ufeff.txt", "text/plain", "zerowidth.txt"],
    [".htaccess", "text/plain", "htaccess.txt"],
    ["...", "text/plain", "file.txt"],
    ["", "text/plain", "file.txt"],
    ["png", "image/png", "png.png"],
    [".png", "image/png", "png.png"],
    ["CON", "text/plain", "_CON.txt"],
    ["nul.txt", "text/plain", "_nul.txt"],
    ["com1.tar.zip", ZIP, "_com1.tar.zip"],
    ["console.txt", "text/plain", "console.txt"],
    ['a"b<c>|d?.txt', "text/plain", "a_b_c__d_.txt"],
    ["line\nfeed\r.txt", "text/plain", "linefeed.txt"],
    ["spaces . ", "text/plain", "spaces.txt"],
  ])("%j of %s is kept as %j", (name, type, kept) => {
    expect(cleanName(name, type)).toBe(kept);
  });

  test("a long one is cut between characters", () => {
    expect(cleanName(`${"社".repeat(200)}.png`, "image/png")).toBe(`${"社".repeat(83)}.png`);
    expect(Buffer.byteLength(cleanName("😀".repeat(100), "image/png"))).toBe(252 + 4 - 4);
  });

  test("whatever it was: one part of a path, of at most 255 bytes, fit for its type, and clean already", () => {
    const nasty = fc.constantFrom(
      "/",
      "\\",
      "\u202e",
      "\u0000",
      ".",
      " ",
      "con",
      "社",
      "😀",
      ".png",
      ".exe",
      ":",
    );
    const names = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc
        .array(fc.oneof(nasty, fc.string({ maxLength: 40 })), { maxLength: 12 })
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(names, fc.constantFrom(...typesFor("post")), (name, type) => {
        const clean = cleanName(name, type);
        expect(Buffer.byteLength(clean)).toBeLessThanOrEqual(255);
        expect(clean).not.toMatch(/[/\\<>:"|?*]|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(clean).not.toMatch(/^[.\s]|[.\s]$/u);
        expect(clean).not.toMatch(/^(con|nul|com1)(\.|$)/i);
        expect(clean).toMatch(/[^.]\.(png|jpe?g|webp|gif|pdf|docx|xlsx|pptx|txt|zip)$/s);
        expect(cleanName(clean, type)).toBe(clean);
      }),
    );
  });
});

describe("what a file really is", () => {
  const picture = (format: "png" | "jpeg" | "webp" | "gif") =>
    sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
      .toFormat(format)
      .toBuffer();

  test("each picture is of its own type and of no other", async () => {
    const formats = ["png", "jpeg", "webp", "gif"] as const;
    for (const is of formats)
      for (const said of formats)
        expect([is, said, await isReally(`image/${said}`, await picture(is))]).toEqual([
          is,
          said,
          is === said,
        ]);
  });

  test.each([
    ["a docx", DOCX, officeOf("word/document.xml"), true],
    ["an xlsx", XLSX, officeOf("xl/workbook.xml"), true],
    ["a pptx", PPTX, officeOf("ppt/presentation.xml"), true],
    ["an xlsx as docx", DOCX, officeOf("xl/workbook.xml"), false],
    ["a zip as docx", DOCX, zipOf({ "word.txt": "x" }), false],
    ["a docx with macros", DOCX, officeOf("word/document.xml", { "word/vbaProject.bin": "x" }), false],
    ["a docx without its types", DOCX, zipOf({ "word/document.xml": "x" }), false],
    ["a zip", ZIP, zipOf({ "a/社团.txt": "x" }), true],
    ["an empty zip", ZIP, zipOf({}), true],
    ["a zip behind something else", ZIP, Buffer.concat([Buffer.from("<html>"), zipOf({ a: "x" })]), false],
    ["a zip with something behind", ZIP, Buffer.concat([zipOf({ a: "x" }), Buffer.from("<html>")]), false],
    ["a torn zip", ZIP, zipOf({ a: "x".repeat(500) }).subarray(300), false],
    ["text as zip", ZIP, Buffer.from("PK"), false],
    ["a zip as png", "image/png", zipOf({ "a.png": "x" }), false],
    ["a pdf", "application/pdf", Buffer.from("%PDF-1.7\n%âã\n1 0 obj\n"), true],
    ["html as pdf", "application/pdf", Buffer.from("<html></html>"), false],
    ["svg as png", "image/png", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), false],
    ["Chinese text", "text/plain", Buffer.from("社团招新\n"), true],
    ["text in GB18030", "text/plain", Buffer.from([0xc9, 0xe7, 0xcd, 0xc5]), false],
    ["text with NUL", "text/plain", Buffer.from("a\0b"), false],
    ["what nobody may upload", "text/html", Buffer.from("<html></html>"), false],
  ])("%s", async (_, type, bytes, really) => {
    expect(await isReally(type, bytes)).toBe(really);
  });

  test("any bytes are judged without an exception", async () => {
    const zip = officeOf("word/document.xml");
    await fc.assert(
      fc.asyncProperty(fc.nat(zip.length - 1), fc.nat(255), fc.nat(zip.length), async (at, byte, end) => {
        const spoilt = Buffer.from(zip);
        spoilt[at] = byte;
        for (const type of [DOCX, ZIP]) await isReally(type, spoilt.subarray(0, end));
      }),
    );
  });
});
