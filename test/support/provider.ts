/** The payment provider of dev/provider/ as a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { HttpProviderSettings } from '../../activities/payments/http-provider.ts';
import { startScript, type TestProcess } from './server-process.ts';
import { until } from './until.ts';

export const PROVIDER_SECRET = `whsec_${Buffer.from('a secret that only tests know').toString('base64')}`;
const KEY = 'provider-key-of-tests';

export interface TestProvider {
  /** The one that runs now. */
  readonly process: TestProcess;
  settings: HttpProviderSettings;
  /** Ends it with kill -9, and starts it again with the same book, at the same address. */
  restart(): Promise<TestProvider>;
}

interface ProviderOptions {
  /** Where its notifications go; nowhere unless given. */
  notify?: string;
  /** Milliseconds for which it says nothing when it is silent. */
  silence?: number;
}

/** A port where nobody listens: that of a service which discards. */
const NOWHERE = 'http://127.0.0.1:9/';

export function startProvider(options: ProviderOptions = {}): Promise<TestProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-provider-'));
  // One that a test started again goes on for the next test.
  const ends: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await Promise.all(ends.map((end) => end()));
    rmSync(folder, { recursive: true, force: true });
  });
  return start(join(folder, 'book'), { ...options, atEnd: (end) => ends.push(end) });
}

interface StartOptions extends ProviderOptions {
  atEnd: (end: () => Promise<void>) => void;
}

async function start(book: string, options: StartOptions): Promise<TestProvider> {
  let running = await run(book, 0, options);
  const provider: TestProvider = {
    get process() {
      return running.process;
    },
    settings: { url: running.url, key: KEY },
    async restart() {
      running.process.child.kill('SIGKILL');
      await running.process.ended;
      running = await run(book, Number(new URL(running.url).port), options);
      return provider;
    },
  };
  return provider;
}

async function run(
  book: string,
  port: number,
  { notify = NOWHERE, silence = 1_000, atEnd }: StartOptions,
): Promise<{ process: TestProcess; url: string }> {
  const flags = { port, book, notify, key: KEY, secret: PROVIDER_SECRET, silence };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const process = startScript('dev/provider/main.ts', {}, { args, atEnd });
  const url = await until('the provider is ready', async () => /ready at (\S+)/.exec(process.printed())?.[1]);
  return { process, url };
}
