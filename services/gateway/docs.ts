/** Pages of a gateway's own: its OpenAPI document, and Swagger UI from the installed package, without outside hosts. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Runtime } from "../../mixins/runtime.ts";
import { cacheControl, sendTagged } from "./answers.ts";
import type { Exchange } from "./exchange.ts";
import { openapiOf } from "./openapi.ts";
import type { Page } from "./routes.ts";

// The icons of Swagger UI are data: URLs in its style sheet.
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HTML = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Club Alliance API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

/** Without validatorUrl a badge would be asked for at a host of others. */
const SCRIPT = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
`;

/** Each file by name, so that no path of a request ever becomes one of the disk. */
const FILES = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
} as const;

const require = createRequire(import.meta.url);

/** `/openapi.json` of the paths that a gateway serves, and `/docs`. */
export function docsPages(contracts: Runtime["contracts"], serves: (path: string) => boolean): Page[] {
  let document: string | undefined;
  return [
    {
      path: "/openapi.json",
      answer(exchange) {
        document ??= JSON.stringify(openapiOf(contracts, serves));
        send(exchange, "application/json", document);
      },
    },
    { path: "/docs", answer: (exchange) => sendDoc(exchange, "text/html; charset=utf-8", HTML) },
    {
      path: "/docs/start.js",
      answer: (exchange) => sendDoc(exchange, FILES["swagger-ui-bundle.js"], SCRIPT),
    },
    ...Object.entries(FILES).map(([name, type]): Page => {
      let content: Promise<Buffer> | undefined;
      return {
        path: `/docs/${name}`,
        async answer(exchange) {
          content ??= readFile(require.resolve(`swagger-ui-dist/${name}`));
          sendDoc(exchange, type, await content);
        },
      };
    }),
  ];
}

function sendDoc(exchange: Exchange, type: string, body: string | Buffer): void {
  exchange.res.setHeader("Content-Security-Policy", CONTENT_POLICY);
  send(exchange, type, body);
}

function send(exchange: Exchange, type: string, body: string | Buffer): void {
  exchange.res.setHeader("Cache-Control", cacheControl(exchange));
  sendTagged(exchange, 200, type, body, null);
}
