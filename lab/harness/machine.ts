/** The machine and the servers that the figures come from. */
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { Connection } from '@temporalio/client';
import { openPostgres } from '../../db/postgres.ts';
import type { System } from './system.ts';

export interface Hardware {
  cores: number;
  cpu: string;
  memoryGiB: number;
  system: string;
  node: string;
}

export interface Host extends Hardware {
  /** Processes that wanted a core in the minute before the run: well above zero, others were at work. */
  loadBefore: number;
  postgres: string;
}

export interface Machine extends Host {
  temporal: string;
}

/** Read it before the run, so that it does not hold the run's own load. */
export const loadNow = (): number => loadavg()[0] ?? 0;

export const describeHardware = (): Hardware => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release()}`,
  node: process.versions.node,
});

export const describeHost = async (databaseUrl: string, loadBefore: number): Promise<Host> => ({
  ...describeHardware(),
  loadBefore,
  postgres: await postgresVersion(databaseUrl),
});

export async function describeMachine(system: System, loadBefore: number): Promise<Machine> {
  const { databaseUrl, temporalAddress, temporalCli } = system;
  return {
    ...(await describeHost(databaseUrl, loadBefore)),
    temporal: `${await temporalVersion(temporalAddress)} (temporal ${temporalCli.version})`,
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
