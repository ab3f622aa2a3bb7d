/** One workload under one number of callers for a few seconds: how much was done, how long it took and what it used. */
import { setTimeout as delay } from 'node:timers/promises';
import { load, type LoadOptions } from '../../harness/load.ts';
import { cpuMsOf } from '../../harness/process-tree.ts';
import type { System } from '../../harness/system.ts';
import type { Call, ProcessName } from './figures.ts';
import type { Workload } from './workload.ts';

/** A server still tidies up when the last caller has its answer; that work belongs to the round. */
const SETTLE_MS = 500;

export interface Round {
  completed: number;
  perSecond: number;
  /** Milliseconds of each call. */
  waited: Record<Call, number[]>;
  /** Milliseconds in all. */
  cpu: Record<ProcessName, number>;
  workflowIds: string[];
  retries: number;
}

/** All rounds of one workload with one number of callers. */
export interface Series {
  workload: Workload;
  callers: number;
  rounds: Round[];
}

export async function runRound(workload: Workload, options: LoadOptions, system: System): Promise<Round> {
  const waited: Round['waited'] = { result: [], create: [], pay: [] };
  const workflowIds: string[] = [];
  let retries = 0;
  const before = cpuNow(workload, system);
  const { completed, perSecond } = await load(options, async () => {
    const done = await workload.doOne();
    workflowIds.push(done.workflowId);
    retries += done.retries;
    for (const call of ['result', 'create', 'pay'] as const) {
      const ms = done.waited[call];
      if (ms !== undefined) waited[call].push(ms);
    }
  });
  await delay(SETTLE_MS, undefined, { signal: options.signal });
  const after = cpuNow(workload, system);
  const used = (name: ProcessName): number => after[name] - before[name];
  const cpu = {
    temporal: used('temporal'),
    postgres: used('postgres'),
    worker: used('worker'),
    api: used('api'),
    callers: used('callers'),
  };
  return { completed, perSecond, waited, cpu, workflowIds, retries };
}

function cpuNow(workload: Workload, { servers }: System): Record<ProcessName, number> {
  const { Temporal, PostgreSQL, API } = servers;
  const pids = [Temporal, PostgreSQL, workload.worker, API].map(({ pid }) => pid);
  const [temporal = NaN, postgres = NaN, worker = NaN, api = NaN] = cpuMsOf(pids);
  const { user, system } = process.cpuUsage();
  return { temporal, postgres, worker, api, callers: (user + system) / 1_000 };
}
