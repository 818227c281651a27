/** Fastify with two routes in one process, no bus: a GET, and a POST whose body is validated. */
import fastify from "fastify";
import { club, newClubSchema } from "./club.ts";

const app = fastify();
app.get("/clubs/:id", async () => club);
app.post("/clubs", { schema: { body: newClubSchema } }, async (request, reply) => {
  reply.code(201);
  return { ...club, ...request.body };
});
await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
