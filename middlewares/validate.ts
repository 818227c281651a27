/** Checks params by the contract; what the gateway found wrong with the form of the request counts too. */
import { compileCheck } from "../lib/validate.ts";
import { Type as T } from "typebox";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

export function validate(contracts: Runtime["contracts"]): Middleware {
  return asMiddleware({
    name: "Validate",
    localAction(next, action) {
      const contract = contracts.get(action.name);
      if (!contract) return next;
      const check = compileCheck(contract.params ?? T.Object({}));
      return async (ctx) => {
        ctx.params = check(ctx.params, ctx.headers.formErrors);
        return next(ctx);
      };
    },
  });
}
