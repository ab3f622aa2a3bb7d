/** The address that a request comes from, behind the proxies that are trusted to say so. */
import { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Context } from 'hono';

/** Addresses and networks of proxies, as a setting names them: `10.0.0.0/8`, `::1`. */
export type TrustedProxies = readonly string[];

/** Hops that are followed: more than any real chain of proxies has. */
const MOST_HOPS = 20;
/** A provider gives a customer at least this much of IPv6, so it is what one caller can change at will. */
const IPV6_GROUPS = 4;

/**
 * Reads `X-Forwarded-For` from its end, where the nearest proxy wrote: whatever stands before the first address that is no trusted proxy
 * may be made up by the caller. Returns an IPv4 address, or the first 64 bits of an IPv6 address.
 */
export function addressReader(trusted: TrustedProxies): (c: Context) => string {
  const proxies = toBlockList(trusted);
  return (c) => {
    const incoming: unknown = c.env?.incoming;
    // Only tests call the API without a connection.
    const peer = incoming instanceof IncomingMessage ? (incoming.socket.remoteAddress ?? '') : '127.0.0.1';
    let address = normalize(peer);
    if (trusted.length === 0) return toNetwork(address);
    const forwarded = (c.req.header('X-Forwarded-For') ?? '').split(',').slice(-MOST_HOPS);
    while (isTrusted(proxies, address)) {
      const before = parseHop(forwarded.pop() ?? '');
      if (before === undefined) break;
      address = before;
    }
    return toNetwork(address);
  };
}

function toBlockList(networks: TrustedProxies): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const isTrusted = (proxies: BlockList, address: string): boolean =>
  isIP(address) !== 0 && proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** An entry of the header: an address, with a port behind some proxies. */
const HOP = /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::\d+)?$|^([\da-f:.]+)$/i;

function parseHop(entry: string): string | undefined {
  const [, bracketed, v4, v6] = HOP.exec(entry.trim()) ?? [];
  const address = normalize(bracketed ?? v4 ?? v6 ?? '');
  return isIP(address) === 0 ? undefined : address;
}

/** A socket that listens on IPv6 shows IPv4 addresses as `::ffff:192.0.2.1`, and link-local ones with their interface. */
const normalize = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');

function toNetwork(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const before = head.split(':').filter((group) => group !== '');
  const after = (tail ?? '').split(':').filter((group) => group !== '');
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  return `${groups
    .slice(0, IPV6_GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
