/** Which IP addresses webhooks may be sent to: those of the public Internet, and the networks that the settings allow. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Addresses and networks as a setting names them: `10.0.0.0/8`, `::1`. */
export type Networks = readonly string[];

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Public by their range, yet they lead into the cloud that the process runs in. */
const METADATA_SERVICES = ['168.63.129.16'];
/** The part of IPv6 that is given out. What lies outside of it is embedded, local or nobody's. */
const GLOBAL_IPV6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** Behind these 96 bits a network without IPv4 writes an IPv4 address. */
const TRANSLATED_IPV4: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/** Whether an IP address lies in one of the networks. */
export function isIn(networks: Networks, text: string): boolean {
  const address = parse(text);
  return address !== undefined && networks.some((network) => contains(network, address));
}

/** Whether an IP address is one of the public Internet. An IPv4 address inside an IPv6 address is judged as what it is. */
export function isPublic(text: string): boolean {
  const address = parse(text);
  if (address === undefined || METADATA_SERVICES.includes(address.toString())) return false;
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_IPV6);
}

/** As the machine that is reached in the end. */
function parse(text: string): Address | undefined {
  if (isIP(text) === 0) return undefined;
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv4) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (address.match(TRANSLATED_IPV4)) return new ipaddr.IPv4(address.toByteArray().slice(-4));
  return address;
}

function contains(network: string, address: Address): boolean {
  const [text = '', bits] = network.split('/');
  const base = ipaddr.parse(text);
  if (base.kind() !== address.kind()) return false;
  const length = bits === undefined ? 8 * base.toByteArray().length : Number(bits);
  return address.match(base, length);
}
