/** Networks as administrators write them: CIDR, or a single address. */
import ipaddr from "ipaddr.js";

type Ip = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Ip, number];

/** The network that a text names; null for what names none. */
export function networkOf(text: string): Network | null {
  const [address = "", bits, ...more] = text.split("/");
  const ip = addressOf(address);
  if (!ip || more.length > 0) return null;
  const most = ip.kind() === "ipv4" ? 32 : 128;
  if (bits === undefined) return [ip, most];
  return /^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= most ? [ip, Number(bits)] : null;
}

/** Whether an address is in one of the networks; an IPv4 address also in its IPv6 form. What is no address is in none. */
export function isInNetworks(address: string, networks: readonly string[]): boolean {
  const ip = addressOf(address);
  return ip !== null && networks.some((each) => contains(networkOf(each), ip));
}

function contains(network: Network | null, ip: Ip): boolean {
  return network !== null && network[0].kind() === ip.kind() && ip.match(network);
}

/** ipaddr.js also reads "1" and octal parts as addresses. An IPv4-mapped address is the IPv4 address. */
function addressOf(text: string): Ip | null {
  const known =
    ipaddr.IPv4.isValidFourPartDecimal(text) || (ipaddr.IPv6.isValid(text) && !text.includes("%"));
  return known ? ipaddr.process(text) : null;
}
