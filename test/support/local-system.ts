/** `npm start` as a user runs it, in a data folder of the test's own and on free ports. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, inject } from 'vitest';
import { z } from 'zod';
import { makeThrowawayFolder, removeFolder } from '../../dev/folders/throwaway-folder.ts';
import { Shop } from './shop.ts';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const runningFile = z.object({
  servers: z.array(z.object({ name: z.string(), pid: z.number() })),
  system: z.object({ api: z.string() }).optional(),
});

export interface LocalSystem {
  shop: Shop;
  /** As the operating system knows them now; they change when a server is restarted. */
  pids(): Promise<Map<string, number>>;
  /** As a process manager stops it. Resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface LocalFolder {
  path: string;
  /** Resolves when the system is ready. Fails with all that it printed when it is not. */
  start(settings?: Readonly<Record<string, string>>): Promise<LocalSystem>;
  /** Runs one of the project's commands to its end. */
  run(script: string, ...args: string[]): Promise<Ended>;
}

export interface Ended {
  code: number | null;
  output: string;
}

/** Call at the top of a file; what still runs when it ends is stopped, and the folder goes. */
export async function localFolder(): Promise<LocalFolder> {
  const path = await makeThrowawayFolder('holdfast-start-');
  const children: Child[] = [];
  const environment = (settings: Readonly<Record<string, string>>) => ({
    ...process.env,
    TEMPORAL_CLI: inject('temporalCli'),
    HOLDFAST_DATA: path,
    PORT: '0',
    POSTGRES_PORT: '0',
    TEMPORAL_PORT: '0',
    WEB_UI_PORT: '0',
    ...settings,
  });
  const readRunning = async () =>
    runningFile.parse(JSON.parse(await readFile(join(path, 'running.json'), 'utf8')));

  afterAll(async () => {
    await Promise.all(children.map((child) => child.stop()));
    await removeFolder(path);
  });
  return {
    path,
    async start(settings = {}) {
      const child = launch(['dev/up/start.ts'], environment(settings));
      children.push(child);
      const api = await until(
        'npm start to be ready',
        async () => {
          if (child.process.exitCode !== null) throw new Error(`npm start ended:\n${child.output()}`);
          return (await readRunning().catch(() => undefined))?.system?.api;
        },
        60_000,
      );
      return {
        shop: new Shop((call, init) => fetch(`${api}${call}`, init)),
        pids: async () => new Map((await readRunning()).servers.map(({ name, pid }) => [name, pid])),
        stop: () => child.stop(),
      };
    },
    async run(script, ...args) {
      const child = launch([script, ...args], environment({}));
      const [code] = await once(child.process, 'close');
      return { code: typeof code === 'number' ? code : null, output: child.output() };
    },
  };
}

interface Child {
  process: ChildProcess;
  output(): string;
  stop(): Promise<number | null>;
}

function launch(args: readonly string[], env: NodeJS.ProcessEnv): Child {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return {
    process: child,
    output: () => output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'close');
      }
      return child.exitCode;
    },
  };
}

/** Whether a process of that id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
