/** Holds every answer of a known route to its contract: status, schema, and the codes of refusals. */
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import type { ActionContract } from "../../lib/declare.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { isPublic } from "../../services/gateway/paths.ts";
import { refusalsOf } from "../../services/gateway/refusals.ts";
import { Routes } from "../../services/gateway/routes.ts";
import type { Answer } from "./http.ts";

/** Throws an Error that says how an answer departs from its contract. */
export type ContractCheck = (method: string, path: string, answer: Answer) => void;

/** @param serves of which paths the gateway is */
export function contractCheck(contracts: Runtime["contracts"], serves = isPublic): ContractCheck {
  const routes = new Routes(contracts, serves, []);
  const schemas = new Map<ActionContract, ReturnType<typeof Compile>>();

  const schemaOf = (contract: ActionContract) => {
    let schema = schemas.get(contract);
    if (!schema) {
      // As clients see it: without what TypeBox knows beyond JSON Schema.
      schema = Compile(JSON.parse(JSON.stringify(contract.returns)) as TSchema);
      schemas.set(contract, schema);
    }
    return schema;
  };

  const success = (contract: ActionContract, { status, headers, body }: Answer): string | null => {
    const declared = [contract.status ?? (contract.returns ? 200 : 204)].flat();
    if (!declared.includes(status)) return `status ${status}, declared ${declared.join(", ")}`;
    if (!contract.returns) return body === undefined ? null : "a body, none declared";
    const type = contract.produces ?? "application/json";
    if (headers["content-type"] !== type) return `content-type ${headers["content-type"]}, declared ${type}`;
    const schema = schemaOf(contract);
    return schema.Check(body) ? null : JSON.stringify(schema.Errors(body).slice(0, 5));
  };

  return (method, path, answer) => {
    const known = path.split("?")[0] as string;
    if (routes.allow(known)?.split(", ").includes(method) !== true || method === "OPTIONS") return;
    const { contract, label } = routes.find(method, known).alias;
    if (method === "HEAD" || answer.status === 304) return;
    const wrong = answer.status < 400 ? success(contract, answer) : refusal(contract, answer);
    if (wrong)
      throw new Error(`${label} departs from its contract: ${wrong}\n${JSON.stringify(answer.body)}`);
  };
}

function refusal(contract: ActionContract, { status, headers, body }: Answer): string | null {
  if (headers["content-type"] !== "application/problem+json") return "a refusal that is no problem document";
  const { code, status: told } = body as { code: string; status: number };
  if (told !== status) return `status ${status}, the problem says ${told}`;
  return refusalsOf(contract).get(status)?.includes(code) ? null : `undeclared refusal ${status} ${code}`;
}
