/** The lab's proxy in front of one of the tests' servers. */
import { afterAll } from 'vitest';
import { Proxy } from '../../lab/harness/proxy.ts';

/** Call at the top of a file; it is closed with it. */
export async function startProxy(serverUrl: string): Promise<Proxy> {
  const proxy = await Proxy.open(Number(new URL(serverUrl).port));
  afterAll(() => proxy.close());
  return proxy;
}
