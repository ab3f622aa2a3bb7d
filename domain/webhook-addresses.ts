/** Resolves the address of a webhook, and refuses it unless every IP address that it has may be sent to. */
import { promises as dns, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { isIn, isPublic, type Networks } from './public-addresses.ts';

/** All IP addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/** Nothing may be sent to this address. The message is for the shop: it says nothing of the network that we are in. */
export class WebhookAddressError extends Error {
  override name = 'WebhookAddressError';
}

/** The name has no address now. It may have one later. */
export class HostUnknownError extends Error {
  override name = 'HostUnknownError';
}

/** Well within what a receiver has for its whole answer. */
const resolver = new dns.Resolver({ timeout: 2_000, tries: 2 });

/**
 * Asks the name servers, and then the operating system, which knows the names of this machine and its network. Not the system alone: it
 * waits in one of the process's four threads, so a few names whose servers never answer would stop everybody else's.
 */
export async function resolveHost(host: string): Promise<readonly LookupAddress[]> {
  if (host.includes('.')) {
    const families = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const found = families.flatMap((family, index) =>
      family.status === 'fulfilled'
        ? family.value.map((address) => ({ address, family: index === 0 ? 4 : 6 }))
        : [],
    );
    if (found.length > 0) return found;
    if (families.some((family) => family.status === 'rejected' && isSilent(family.reason)))
      throw new HostUnknownError(`The name servers of ${host} did not answer.`);
  }
  return dns.lookup(host, { all: true }).catch(() => {
    throw new HostUnknownError(`The name ${host} has no IP address.`);
  });
}

const isSilent = (reason: unknown): boolean =>
  reason instanceof Error && 'code' in reason && reason.code === dns.TIMEOUT;

/**
 * The IP addresses that a webhook may be sent to at this moment: a name may lead to others a second later, so connect to these.
 * @throws {WebhookAddressError | HostUnknownError}
 */
export async function resolveWebhook(
  url: URL,
  allowed: Networks,
  resolve: Resolve = resolveHost,
): Promise<readonly LookupAddress[]> {
  requireForm(url);
  // An IPv6 address stands in brackets.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(host);
  const addresses = family === 0 ? await resolve(host) : [{ address: host, family }];
  if (addresses.length === 0) throw new HostUnknownError(`The name ${host} has no IP address.`);
  for (const { address } of addresses) {
    if (isIn(allowed, address)) continue;
    if (!isPublic(address))
      throw new WebhookAddressError(
        `${host} leads to a network that no webhooks are sent to; WEBHOOK_ALLOWED_NETWORKS names the exceptions.`,
      );
    if (url.protocol !== 'https:')
      throw new WebhookAddressError(
        `Webhooks are sent over the Internet with https only, not to ${host} with http.`,
      );
  }
  return addresses;
}

function requireForm({ protocol, username, password, hash }: URL): void {
  if (protocol !== 'https:' && protocol !== 'http:')
    throw new WebhookAddressError('The address of a webhook begins with https://.');
  if (username !== '' || password !== '')
    throw new WebhookAddressError('The address of a webhook has no user and no password in it.');
  if (hash !== '') throw new WebhookAddressError('The address of a webhook has no part behind a #.');
}
