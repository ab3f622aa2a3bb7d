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
  process: TestProcess;
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
  return start(join(folder, 'book'), 0, { ...options, atEnd: (end) => ends.push(end) });
}

interface StartOptions extends ProviderOptions {
  atEnd: (end: () => Promise<void>) => void;
}

async function start(book: string, port: number, options: StartOptions): Promise<TestProvider> {
  const { notify = NOWHERE, silence = 1_000 } = options;
  const flags = { port, book, notify, key: KEY, secret: PROVIDER_SECRET, silence };
  const process = startScript(
    'dev/provider/main.ts',
    {},
    {
      args: Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]),
      atEnd: options.atEnd,
    },
  );
  const url = await until('the provider is ready', async () => /ready at (\S+)/.exec(process.printed())?.[1]);
  return {
    process,
    settings: { url, key: KEY },
    async restart() {
      process.child.kill('SIGKILL');
      await process.ended;
      return start(book, Number(new URL(url).port), options);
    },
  };
}
