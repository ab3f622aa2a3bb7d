/** `npm start` as a user runs it, in a data folder of the test's own and on free ports. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { z } from 'zod';
import { fetchFrom } from '../../api/client.ts';
import { readDevelopmentKey } from '../../dev/development-key.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { startScript, type TestProcess } from './server-process.ts';
import { Shop } from './shop.ts';
import { until } from './until.ts';

const runningFile = z.object({
  servers: z.array(z.object({ name: z.string(), pid: z.number() })),
  system: z.object({ api: z.string(), webUi: z.string() }).optional(),
});

export interface LocalSystem {
  shop: Shop;
  /** The address of the API. */
  api: string;
  webUi: string;
  /** All that npm start has printed. */
  output(): string;
  /** The servers' process ids; a server that is restarted gets a new one. */
  pids(): Promise<Map<string, number>>;
  /** Stops it as a process manager does. Resolves with the exit code. */
  stop(): Promise<number | string>;
}

export interface LocalFolder {
  path: string;
  /** Resolves when the system is ready. Otherwise fails with all that it printed. */
  start(settings?: Readonly<Record<string, string>>, ...args: string[]): Promise<LocalSystem>;
  /** Runs one of the project's commands to its end. */
  run(script: string, ...args: string[]): Promise<Ended>;
}

export interface Ended {
  code: number | string;
  output: string;
}

/** Call at the top of a file. What still runs when the file ends is stopped, and the folder is removed. */
export async function localFolder(): Promise<LocalFolder> {
  const path = await makeThrowawayFolder('holdfast-start-');
  const environment = {
    TEMPORAL_CLI: inject('temporalCli'),
    HOLDFAST_DATA: path,
    PORT: '0',
    POSTGRES_PORT: '0',
    TEMPORAL_PORT: '0',
    WEB_UI_PORT: '0',
    PROMETHEUS_PORT: '0',
    CODEC_PORT: '0',
  };
  const launched: TestProcess[] = [];
  const launch = (
    script: string,
    args: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ) => {
    const process = startScript(script, { ...environment, ...settings }, { args, endWith: 'SIGTERM' });
    launched.push(process);
    return process;
  };
  const readRunning = async () =>
    runningFile.parse(JSON.parse(await readFile(join(path, 'running.json'), 'utf8')));

  afterAll(async () => {
    await Promise.all(launched.map((process) => process.stop()));
    await removeFolder(path);
  });
  return {
    path,
    async start(settings, ...args) {
      const npmStart = launch('dev/up/start.ts', args, settings);
      const { api, webUi } = await until(
        'npm start to be ready',
        async () => {
          if (npmStart.child.exitCode !== null) throw new Error(`npm start ended:\n${npmStart.output()}`);
          return (await readRunning().catch(() => undefined))?.system;
        },
        60_000,
      );
      return {
        shop: new Shop(fetchFrom(api), { key: readDevelopmentKey(join(path, 'development-key')) ?? '' }),
        api,
        webUi,
        output: () => npmStart.output(),
        pids: async () => new Map((await readRunning()).servers.map(({ name, pid }) => [name, pid])),
        stop: () => npmStart.stop(),
      };
    },
    async run(script, ...args) {
      const command = launch(script, args);
      return { code: await command.ended, output: command.output() };
    },
  };
}

/** Whether a process of that id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
