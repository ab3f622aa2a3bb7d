/** The payment provider of a run, as a process that can be killed and started again: its book is in a file. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startServer } from '../../dev/processes/server-process.ts';
import { followLog } from '../../dev/processes/log-lines.ts';
import { PROVIDER_STATES } from '../../domain/payment-provider.ts';
import { PROVIDER_ANSWER_MS } from '../../domain/timeouts.ts';
import type { LabProcess } from './process.ts';
import type { Processes } from './processes.ts';

/** A payment in the provider's book. */
const booked = z.object({
  id: z.string(),
  reference: z.string(),
  order: z.string(),
  state: z.enum(PROVIDER_STATES),
  amount: z.int(),
  currency: z.string(),
  captured: z.int(),
  refunded: z.int(),
});
export type BookedPayment = z.output<typeof booked>;
const book = z.object({
  payments: z.array(booked),
  /** Notifications that were not accepted yet. */
  waiting: z.int(),
});
export type ProviderBook = z.output<typeof book>;

export interface LabProvider {
  process: LabProcess;
  readBook(): Promise<ProviderBook>;
}

export interface LabProviderOptions {
  port: number;
  /** Where its notifications go. */
  notifyUrl: string;
  /** How many of all calls go wrong, in percent, besides what a payment's source asks for. */
  misbehave: number;
  seed: number;
}

const KEY = 'provider-key-of-a-lab';
const SECRET = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;

/** What must be in no log. */
export const PROVIDER_SECRETS = [KEY, SECRET] as const;

/** What worker and API must know of it. @param url where the worker reaches it. */
export const providerSettings = (url: string) => ({
  worker: { PAYMENT_PROVIDER_URL: url, PAYMENT_PROVIDER_KEY: KEY },
  API: { PAYMENT_PROVIDER_SECRETS: SECRET },
});

const SCRIPT = fileURLToPath(new URL('../../dev/provider/main.ts', import.meta.url));
const READY_DEADLINE_MS = 60_000;
const ANSWER_MS = 10_000;
/** Past the worker's patience. */
const SILENCE_MS = PROVIDER_ANSWER_MS + 2_000;
const SHUTDOWN = { signal: 'SIGTERM', graceMs: 5_000 } as const;

/** Resolves when it answers. */
export async function startProvider(
  processes: Processes,
  { port, notifyUrl, misbehave, seed }: LabProviderOptions,
): Promise<LabProvider> {
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    port,
    book: join(processes.folder, 'provider.db'),
    notify: notifyUrl,
    key: KEY,
    secret: SECRET,
    silence: SILENCE_MS,
    misbehave,
    seed,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const started = await processes.start('provider', (options) => {
    let newLines: (() => string[]) | undefined;
    return startServer({
      ...options,
      name: 'The payment provider',
      command: process.execPath,
      args: [SCRIPT, ...args],
      isReady: (_, from) =>
        (newLines ??= followLog(options.logFile, from))().some((line) => line.includes('provider ready')),
      deadlineMs: READY_DEADLINE_MS,
      shutdown: [SHUTDOWN],
    });
  });
  return {
    process: started,
    async readBook() {
      const response = await fetch(`${url}/v1/book`, {
        headers: { authorization: `Bearer ${KEY}` },
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      return book.parse(await response.json());
    },
  };
}
