/** Finds the system that `npm start` runs on this machine, for commands that work on it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { identify } from './process-identity.ts';

const processSchema = z.object({ pid: z.int().positive(), startedAt: z.string() });

const runningSchema = z.object({
  starter: processSchema,
  /** In the order in which they started. */
  servers: z.array(processSchema.extend({ name: z.string() })),
  /** Present once all of it is ready. */
  system: z
    .object({ api: z.string(), webUi: z.string().optional(), settings: z.record(z.string(), z.string()) })
    .optional(),
  stopping: z.boolean().optional(),
});

export type RecordedProcess = z.output<typeof processSchema>;
export type Running = z.output<typeof runningSchema>;

/** What a command needs to work on the running system. */
export type RunningSystem = NonNullable<Running['system']>;

/** The file in a data folder that records what runs on it. */
export const runningFile = (dataFolder: string): string => join(dataFolder, 'running.json');

export const isAlive = ({ pid, startedAt }: RecordedProcess): boolean =>
  identify(pid)?.startedAt === startedAt;

export function readRunning(file: string): { text: string; running: Running | undefined } | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return { text, running: runningSchema.parse(JSON.parse(text)) };
  } catch {
    return { text, running: undefined };
  }
}

/** The system that runs on this data folder and is ready, if any. */
export function findRunningSystem(dataFolder: string): RunningSystem | undefined {
  const running = readRunning(runningFile(dataFolder))?.running;
  return running !== undefined && isAlive(running.starter) ? running.system : undefined;
}
