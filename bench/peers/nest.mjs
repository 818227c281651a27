/**
 * NestJS on Fastify → NATS → NestJS, as its documentation shows it, with nothing added. `gateway` or `service`.
 * Decorators are applied by hand, since node runs this file as it is.
 */
import { Controller, Get, Inject, Module, Param } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ClientsModule, MessagePattern, Payload, Transport } from "@nestjs/microservices";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { club } from "./club.ts";

const nats = { transport: Transport.NATS, options: { servers: [process.env.NATS_URL] } };

/** `@method @params… name() {}` */
function decorate(type, name, method, ...params) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
  for (const [index, param] of params.entries()) param(type.prototype, name, index);
  method(type.prototype, name, descriptor);
}

class Gateway {
  constructor(client) {
    this.client = client;
  }

  get(id) {
    return this.client.send("clubs.get", { id });
  }
}
Inject("CLUBS")(Gateway, undefined, 0);
decorate(Gateway, "get", Get(":id"), Param("id"));
Controller("clubs")(Gateway);

function GatewayModule() {}
Module({ imports: [ClientsModule.register([{ name: "CLUBS", ...nats }])], controllers: [Gateway] })(
  GatewayModule,
);

class Clubs {
  get() {
    return club;
  }
}
decorate(Clubs, "get", MessagePattern("clubs.get"), Payload());
Controller()(Clubs);

function ClubsModule() {}
Module({ controllers: [Clubs] })(ClubsModule);

if (process.argv[2] === "gateway") {
  const app = await NestFactory.create(GatewayModule, new FastifyAdapter(), { logger: false });
  await app.listen(Number(process.env.PORT), "127.0.0.1");
} else {
  const app = await NestFactory.createMicroservice(ClubsModule, { ...nats, logger: false });
  await app.listen();
}
console.log("ready");
