/** Prints the OpenAPI document of the public gateway: `npm run -s openapi > openapi.json`; with `admin`, of the admin gateway. */
import { actionContracts } from "../services/contracts.ts";
import { isAdministrative, isPublic } from "../services/gateway/paths.ts";
import { openapiOf } from "../services/gateway/openapi.ts";

const serves = process.argv[2] === "admin" ? isAdministrative : isPublic;
process.stdout.write(`${JSON.stringify(openapiOf(actionContracts, serves), null, 2)}\n`);
