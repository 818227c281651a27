/** A node that founds a club and dies (kill -9) on the way: MOMENT ms after its review task was asked for, or before. */
import { startCampus } from "./clubs.ts";

const moment = Number(process.env["MOMENT"]);
const die = (): void => void process.kill(process.pid, "SIGKILL");

const campus = await startCampus({ DATA_DIR: process.env["DATA_DIR"] as string });
campus.world.onOpen = async () => {
  if (moment < 0) die();
  else setTimeout(die, moment);
};
const founder = process.env["FOUNDER"] as string;
const body = { name: "Phoenix", summary: "It rises.", category: "academic", tags: ["fire"] };
await campus.call("POST", "/clubs", { as: founder, body, key: "phoenix" });
// Answered before it died.
setInterval(() => undefined, 1_000);
