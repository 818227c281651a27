/** Prints the OpenAPI document of the public gateway: `npm run openapi > openapi.json`. */
import { actionContracts } from "../services/contracts.ts";
import { isPublic } from "../services/gateway/paths.ts";
import { openapiOf } from "../services/gateway/openapi.ts";

process.stdout.write(`${JSON.stringify(openapiOf(actionContracts, isPublic), null, 2)}\n`);
