/** That the tests of a set-up run in it. */
import { runtimeOf } from "../../mixins/runtime.ts";
import { eventually } from "../support/eventually.ts";
import { setup } from "../support/place.ts";
import { startHouse } from "../support/users.ts";
import type { House } from "../support/users.ts";

let house: House;
beforeAll(async () => void (house = await startHouse()), 60_000);
afterAll(() => house.stop());

test("the gateway is in this process only when everything is", async () => {
  const { broker } = house.federation;
  expect(runtimeOf(broker).ports.has("api")).toBe(setup === "embedded");
  const nodes = setup === "embedded" ? 1 : 2;
  // A node hears of one that has joined after a second.
  await eventually(
    async () => broker.registry.getNodeList({ onlyAvailable: true }).length === nodes || undefined,
  );
});

test("what is kept is kept on servers in the set-up of that name", () => {
  const { settings } = runtimeOf(house.federation.broker);
  const onServers = setup === "servers";
  expect(house.db.sequelize.getDialect()).toBe(onServers ? "mysql" : "sqlite");
  const urls = [
    settings.redisUrl,
    settings.sqlUrls.users,
    settings.documentUrls.notifications,
    settings.queueUrl,
  ];
  expect(urls.map((url) => url !== null)).toEqual(urls.map(() => onServers));
});
