import { engine, mongoEngine } from "./document-engine.ts";
import { describeWith, missing } from "./servers/index.ts";
import { startMongodb } from "./servers/mongodb.ts";

/** The tests of a file once more, on MongoDB's protocol; for a file of its own, since hooks hold for a whole file. */
export async function onMongodb(load: () => Promise<unknown>): Promise<void> {
  const server = missing(["mongodb"]).length === 0 ? await startMongodb() : null;
  if (server) engine.current = await mongoEngine(server.url);
  describeWith(["mongodb"], "what follows", () => {
    test("runs on MongoDB", () => expect(engine.current.embedded).toBe(false));
  });
  if (!server) return;
  await load();
  // After those of the file: hooks run in the order in which they are made.
  afterAll(() => server.stop());
}
