/** The connections to receivers: each leads to an IP address that was judged for it, whatever its name leads to a moment later. */
import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';
import { WEBHOOK_CONNECT_MS } from '../../domain/timeouts.ts';
import type { Networks } from '../../domain/public-addresses.ts';
import { resolveHost, resolveWebhook, type Resolve } from '../../domain/webhook-addresses.ts';

export interface AgentOptions {
  allowedNetworks: Networks;
  resolve?: Resolve;
}

type Protocol = 'https:' | 'http:';
type LookupRest = Parameters<LookupFunction> extends [string, ...infer Rest] ? Rest : never;
/** The IP addresses that may be connected to; throws when there are none. */
type Judge = (host: string) => Promise<readonly LookupAddress[]>;

/** Keeps connections open for some seconds, because events come in groups. Close it in the end. */
export function openAgent({ allowedNetworks, resolve = resolveHost }: AgentOptions): Agent {
  const connectorOf = (protocol: Protocol) =>
    judgingConnector((host) => {
      const url = new URL(`${protocol}//${host.includes(':') ? `[${host}]` : host}`);
      return resolveWebhook(url, allowedNetworks, resolve);
    });
  const connectors = { 'https:': connectorOf('https:'), 'http:': connectorOf('http:') };
  return new Agent({
    allowH2: false,
    // A connection carries one event at a time: one that hangs holds up no other.
    pipelining: 1,
    connect: (options, callback) =>
      connectors[options.protocol === 'http:' ? 'http:' : 'https:'](options, callback),
  });
}

function judgingConnector(judge: Judge): buildConnector.connector {
  async function answer(host: string, ...[{ all }, callback]: LookupRest): Promise<void> {
    let addresses: readonly LookupAddress[];
    try {
      addresses = await judge(host);
    } catch (error) {
      return callback(toError(error), []);
    }
    if (all === true) return callback(null, [...addresses]);
    const [first] = addresses;
    callback(null, first?.address ?? '', first?.family);
  }
  /** The connection is made to what this answers, and to nothing else. */
  const lookup: LookupFunction = (host, ...rest) => void answer(host, ...rest);
  const connect = buildConnector({ lookup, timeout: WEBHOOK_CONNECT_MS, allowH2: false });

  /** An IP address is not looked up, so it is judged before. */
  async function connectToAddress(...[options, callback]: Parameters<typeof connect>): Promise<void> {
    try {
      await judge(bare(options.hostname));
    } catch (error) {
      return callback(toError(error), null);
    }
    connect(options, callback);
  }

  return (options, callback) => {
    if (isIP(bare(options.hostname)) === 0) connect(options, callback);
    else void connectToAddress(options, callback);
  };
}

/** An IPv6 address without its brackets. */
const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');

const toError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
