/** Where a request comes from: the address that limits count, seen through the proxies that are trusted. */
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";

type Ip = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Ip, number];

export interface Address {
  text: string;
  /** What is counted: an IPv6 subscriber has a whole /64. */
  key: string;
  /** Many people sit behind it. */
  campus: boolean;
  trusted: boolean;
}

const UNKNOWN: Address = { text: "unknown", key: "unknown", campus: false, trusted: false };

export class Addresses {
  readonly #trusted: Network[];
  readonly #campus: Network[];
  readonly #known = new LRUCache<string, Address>({ max: 10_000 });

  /** Addresses or CIDRs, as in TRUSTED_PROXIES and CAMPUS_NETWORKS. */
  constructor(trustedProxies: readonly string[], campusNetworks: readonly string[]) {
    this.#trusted = trustedProxies.map(networkOf);
    this.#campus = campusNetworks.map(networkOf);
  }

  /** The peer of a connection. */
  peer(text: string | undefined): Address {
    return (text && this.#of(text)) || UNKNOWN;
  }

  /**
   * The client behind the peer: the rightmost address of `X-Forwarded-For` that is no trusted proxy. What stands left
   * of it, and the whole header of a peer that is not trusted, may be forged.
   */
  client(peer: Address, forwardedFor: string | undefined): Address {
    let client = peer;
    for (const hop of forwardedFor?.split(",").toReversed() ?? []) {
      const address = client.trusted ? this.#of(withoutPort(hop.trim())) : null;
      if (!address) break;
      client = address;
    }
    return client;
  }

  #of(text: string): Address | null {
    const before = this.#known.get(text);
    if (before) return before;
    const ip = parse(text);
    if (!ip) return null;
    const address: Address = {
      text: ip.toString(),
      key: keyOf(ip),
      campus: isIn(ip, this.#campus),
      trusted: isIn(ip, this.#trusted),
    };
    this.#known.set(text, address);
    return address;
  }
}

function parse(text: string): Ip | null {
  // ipaddr.js also reads "1" and octal parts as addresses.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return null;
  return ipaddr.process(text);
}

function keyOf(ip: Ip): string {
  if (ip.kind() === "ipv4") return ip.toString();
  const [a = 0, b = 0, c = 0, d = 0] = (ip as ipaddr.IPv6).parts;
  return [a, b, c, d].map((part) => part.toString(16)).join(":");
}

function networkOf(text: string): Network {
  if (text.includes("/")) return ipaddr.parseCIDR(text);
  const ip = ipaddr.process(text);
  return [ip, ip.kind() === "ipv4" ? 32 : 128];
}

function isIn(ip: Ip, networks: Network[]): boolean {
  return networks.some(([network, bits]) => network.kind() === ip.kind() && ip.match([network, bits]));
}

/** `1.2.3.4:567` and `[2001:db8::1]:567`, as some proxies write. */
function withoutPort(hop: string): string {
  if (hop.startsWith("[")) return hop.slice(1).split("]")[0] as string;
  const colon = hop.indexOf(":");
  return colon >= 0 && colon === hop.lastIndexOf(":") ? hop.slice(0, colon) : hop;
}
