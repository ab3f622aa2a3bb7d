import { describe, expect, test } from 'vitest';
import { isIn, isPublic } from '../../domain/public-addresses.ts';
import {
  HostUnknownError,
  WebhookAddressError,
  resolveWebhook,
  type Resolve,
} from '../../domain/webhook-addresses.ts';

const found =
  (...addresses: string[]): Resolve =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
const never: Resolve = () => Promise.reject(new Error('A literal address must not be looked up.'));

const judge = (
  url: string,
  { allowed = [], resolve = never }: { allowed?: string[]; resolve?: Resolve } = {},
) => resolveWebhook(new URL(url), allowed, resolve);

describe('the address of a webhook', () => {
  test.each([
    ['this network', '0.0.0.0', '0.1.2.3'],
    ['loopback', '127.0.0.1', '127.255.0.9', '::1'],
    [
      'private networks',
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      'fc00::1',
      'fd12::1',
      'fec0::1',
    ],
    ['link-local networks', '169.254.0.1', 'fe80::1'],
    [
      'metadata services',
      '169.254.169.254',
      '100.100.100.200',
      '168.63.129.16',
      '192.0.0.192',
      'fd00:ec2::254',
    ],
    ["carriers' networks", '100.64.0.1', '100.127.255.255'],
    ['multicast and broadcast', '224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1'],
    [
      'what is reserved',
      '192.0.2.1',
      '198.18.0.1',
      '203.0.113.9',
      '240.0.0.1',
      '2001:db8::1',
      '100::1',
      '4000::1',
    ],
    ['IPv4 mapped into IPv6', '::ffff:127.0.0.1', '::ffff:a00:1', '::ffff:a9fe:a9fe'],
    [
      'IPv4 embedded in IPv6',
      '::a00:1',
      '::ffff:0:a00:1',
      '64:ff9b::a00:1',
      '64:ff9b:1::808:808',
      '2002:a00:1::1',
      '2001::1',
    ],
    ['no address', '', 'localhost', '8.8.8', '8.8.8.8/8'],
  ])('is not taken for public when it is one of %s', (_, ...addresses) => {
    expect(addresses.filter(isPublic)).toEqual([]);
  });

  test('is public when anybody on the Internet could have it', () => {
    const addresses = [
      '8.8.8.8',
      '172.32.0.1',
      '100.128.0.1',
      '2606:4700::1111',
      '::ffff:8.8.8.8',
      '64:ff9b::808:808',
    ];
    expect(addresses.filter((address) => !isPublic(address))).toEqual([]);
  });

  test('is in an allowed network however it is written, and in no network of the other family', () => {
    expect(isIn(['10.0.0.0/8', '::1'], '10.9.8.7')).toBe(true);
    expect(isIn(['10.0.0.0/8', '::1'], '::ffff:10.9.8.7')).toBe(true);
    expect(isIn(['10.0.0.0/8', '::1'], '::1')).toBe(true);
    expect(isIn(['10.0.0.0/8', '::1'], '11.0.0.1')).toBe(false);
    expect(isIn(['0.0.0.0/0'], '2606:4700::1111')).toBe(false);
  });

  test.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a9fe:a9fe]/latest/meta-data',
    'https://169.254.169.254/',
  ])('is refused as %s, without asking a name server', async (url) => {
    await expect(judge(url)).rejects.toThrow(WebhookAddressError);
  });

  test('is refused when one of the addresses of its name is private, wherever that stands among them', async () => {
    for (const resolve of [
      found('10.0.0.1'),
      found('8.8.8.8', '::ffff:10.0.0.1'),
      found('fd00::1', '8.8.8.8'),
    ])
      await expect(judge('https://hooks.example.com/', { resolve })).rejects.toThrow(WebhookAddressError);
  });

  test('does not give away which address a refused name has', async () => {
    const refusal = judge('https://hooks.example.com/', { resolve: found('10.1.2.3') });
    await expect(refusal).rejects.not.toThrow(/10\.1\.2\.3/);
  });

  test('leads to the very addresses that were judged', async () => {
    const resolve = found('8.8.8.8', '2606:4700::1111');
    expect(await judge('https://hooks.example.com/', { resolve })).toEqual(await resolve(''));
  });

  test('may lead to an allowed network, with http as well', async () => {
    const allowed = ['10.0.0.0/8'];
    const resolve = found('10.0.0.1');
    expect(await judge('http://hooks.internal/', { allowed, resolve })).toEqual(await resolve(''));
    expect(await judge('http://[::ffff:10.0.0.1]/', { allowed })).toHaveLength(1);
    await expect(judge('http://192.168.0.1/', { allowed })).rejects.toThrow(WebhookAddressError);
  });

  test('needs https where it is public, also when another of its addresses is in an allowed network', async () => {
    const options = { allowed: ['10.0.0.0/8'], resolve: found('10.0.0.1', '8.8.8.8') };
    await expect(judge('http://hooks.example.com/', options)).rejects.toThrow(/https only/);
    await expect(judge('http://8.8.8.8/', options)).rejects.toThrow(/https only/);
  });

  test.each(['ftp://8.8.8.8/', 'file:///etc/passwd', 'https://user:pass@8.8.8.8/', 'https://8.8.8.8/#part'])(
    'is refused as %s',
    async (url) => {
      await expect(judge(url)).rejects.toThrow(WebhookAddressError);
    },
  );

  test('that has no IP address is unknown, which may change', async () => {
    await expect(judge('https://hooks.example.com/', { resolve: found() })).rejects.toThrow(HostUnknownError);
  });
});
