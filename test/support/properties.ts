/** Properties are tried with other values on each run, but in continuous integration with the same, to be repeatable. */
import { configureGlobal } from "fast-check";

if (process.env["CI"]) configureGlobal({ seed: 20261125 });
