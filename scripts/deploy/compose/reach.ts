/** Whether services share a network with the servers whose addresses they are given, and who builds their images. */
import { secretsOf } from "../../secrets/list.ts";
import { PLACES } from "../../secrets/places.ts";
import type { Compose, Service } from "./read.ts";

/** Secret → the hosts that it names. */
function hostsBySecret(): Map<string, Set<string>> {
  const values = new Map<string, string>();
  for (const { name, make } of secretsOf(PLACES.compose, () => "x"))
    values.set(
      name,
      make((other) => values.get(other) ?? ""),
    );
  return new Map(
    [...values].map(([name, value]) => {
      const named = [...value.matchAll(/(?:@|,|\/\/)([a-z][a-z0-9-]*):\d{2,5}\b/g)];
      return [name, new Set(named.map(([, host]) => host as string))];
    }),
  );
}

const networksOf = ({ networks = {} }: Service): string[] =>
  Array.isArray(networks) ? networks : Object.keys(networks);

/** A service is in a network of every server that one of its secrets leads to. */
export function reachProblems({ services }: Compose): string[] {
  const hosts = hostsBySecret();
  return Object.entries(services).flatMap(([name, service]) => {
    const own = new Set(networksOf(service));
    return (service.secrets ?? []).flatMap((secret) =>
      [...(hosts.get(secret) ?? [])]
        .filter((host) => services[host] && !networksOf(services[host]).some((each) => own.has(each)))
        .map((host) => `docker-compose.yml: ${name} is given ${secret} and has no network to ${host}.`),
    );
  });
}

/** An image that is built here is built by one service: two write the same tag, and the last one wins. */
export function buildProblems({ services }: Compose): string[] {
  const built = new Map<string, string[]>();
  for (const [name, { image = "", build }] of Object.entries(services))
    if (build || image.startsWith("club-alliance"))
      built.set(image, [...(built.get(image) ?? []), ...(build ? [name] : [])]);
  return [...built]
    .filter(([, names]) => names.length !== 1)
    .map(
      ([image, names]) =>
        `docker-compose.yml: ${image} is built by ${names.join(", ") || "nobody"}, and not by one service.`,
    );
}
