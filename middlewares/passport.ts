/** Hands the caller's token and language on to the calls that an action makes; nothing else of its headers. */
import type { Middleware } from "moleculer";
import type { Headers } from "../lib/implement.ts";

interface Options {
  parentCtx?: { headers?: Headers };
  headers?: Headers;
}

export function passport(): Middleware {
  return {
    name: "Passport",
    call(next: (action: string, params: unknown, options?: Options) => Promise<unknown>) {
      return (action: string, params: unknown, options: Options = {}) => {
        const parent = options.parentCtx?.headers;
        if (parent?.passport || parent?.lang)
          options.headers = { passport: parent.passport, lang: parent.lang, ...options.headers };
        return next(action, params, options);
      };
    },
  } as unknown as Middleware;
}
