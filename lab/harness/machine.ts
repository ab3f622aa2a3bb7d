/** What the figures were measured on. */
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { Connection } from '@temporalio/client';
import { openPostgres } from '../../db/postgres.ts';
import type { System } from './system.ts';

export interface Host {
  cores: number;
  cpu: string;
  memoryGiB: number;
  system: string;
  /** Processes that wanted a core in the minute before the run: well above zero means that others were at work. */
  loadBefore: number;
  node: string;
  postgres: string;
}

export interface Machine extends Host {
  temporal: string;
}

/** To be asked before the run, for its load not to be the run's own. */
export const loadNow = (): number => loadavg()[0] ?? 0;

export async function describeMachine(system: System, loadBefore: number): Promise<Machine> {
  const { databaseUrl, temporalAddress, temporalCli } = system;
  return {
    ...(await describeHost(databaseUrl, loadBefore)),
    temporal: `${await temporalVersion(temporalAddress)} (temporal ${temporalCli.version})`,
  };
}

/** The same without Temporal. */
export async function describeHost(databaseUrl: string, loadBefore: number): Promise<Host> {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    loadBefore,
    node: process.versions.node,
    postgres: await postgresVersion(databaseUrl),
  };
}

async function postgresVersion(url: string): Promise<string> {
  const sql = openPostgres(url, { connections: 1 });
  try {
    const [row] = await sql<{ server_version: string }[]>`show server_version`;
    return row?.server_version ?? 'unknown';
  } finally {
    await sql.end();
  }
}

async function temporalVersion(address: string): Promise<string> {
  const connection = await Connection.connect({ address });
  try {
    return (await connection.workflowService.getSystemInfo({})).serverVersion;
  } finally {
    await connection.close();
  }
}
