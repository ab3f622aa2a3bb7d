/** Receivers of webhooks, as processes that can be killed and started again: what arrived is in a file each. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { expectStatus, type ApiClient } from '../../api/client.ts';
import { freePort } from '../../dev/ports.ts';
import { followLog } from '../../dev/processes/log-lines.ts';
import { startServer } from '../../dev/processes/server-process.ts';
import type { LabProcess } from './process.ts';
import type { Processes } from './processes.ts';

const arrivalSchema = z.object({
  id: z.string(),
  type: z.string(),
  orderId: z.string().nullable(),
  version: z.number().nullable(),
  /** Whether signature and headers are right. */
  isVerified: z.boolean(),
});
export type Arrival = z.output<typeof arrivalSchema>;

export interface LabReceiver {
  process: LabProcess;
  webhookId: string;
  /** In the order of arrival. */
  readArrivals: () => Arrival[];
}

/** What worker and API must agree on so that receivers on this machine are sent to. */
export const RECEIVER_SETTINGS = {
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  WEBHOOK_SECRET_KEYS: `lab:${Buffer.alloc(32, 1).toString('base64')}`,
} as const;

const SCRIPT = fileURLToPath(new URL('receiver-process.ts', import.meta.url));
const READY_DEADLINE_MS = 60_000;
const SHUTDOWN = { signal: 'SIGTERM', graceMs: 5_000 } as const;

/** Starts a receiver and registers it for every event of the shop. */
export async function startReceiver(
  processes: Processes,
  api: ApiClient,
  name: string,
): Promise<LabReceiver> {
  const port = await freePort();
  const file = (what: string) => join(processes.folder, `${name.replaceAll(' ', '-')}-${what}`);
  const env = {
    ...process.env,
    PORT: String(port),
    ARRIVALS_FILE: file('arrivals'),
    SECRET_FILE: file('secret'),
  };
  const started = await processes.start(name, (options) => {
    let newLines: (() => string[]) | undefined;
    return startServer({
      ...options,
      name: `The ${name}`,
      command: process.execPath,
      args: [SCRIPT],
      env,
      isReady: (_, from) => (newLines ??= followLog(options.logFile, from))().includes('receiver ready'),
      deadlineMs: READY_DEADLINE_MS,
      shutdown: [SHUTDOWN],
    });
  });
  const registered = await api.post<{ id: string; secret: string }>(
    '/v1/webhooks',
    { url: `http://127.0.0.1:${port}/events` },
    { key: `webhook ${name}` },
  );
  const { id, secret } = expectStatus(registered, 201).body;
  await writeFile(env.SECRET_FILE, secret);
  return {
    process: started,
    webhookId: id,
    readArrivals: () => (existsSync(env.ARRIVALS_FILE) ? parse(readFileSync(env.ARRIVALS_FILE, 'utf8')) : []),
  };
}

const parse = (lines: string): Arrival[] =>
  lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => arrivalSchema.parse(JSON.parse(line)));
