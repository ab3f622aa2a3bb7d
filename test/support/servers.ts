/**
 * The real servers that all tests share: started once for the run, on free ports and in a folder that is thrown away.
 * What belongs in test/: a file for each guarantee; here in support/ what they share, and in recording/ how the
 * histories of histories/ are made.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '../../db/migrate.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { startPostgres } from '../../dev/postgres/server.ts';
import { findTemporalCli, type TemporalCli } from '../../dev/temporal/cli.ts';
import { startTemporal } from '../../dev/temporal/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { localSettings } from '../../settings.ts';
import { bundleWorkflows } from '../../worker/worker.ts';
import { TEMPLATE } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
    temporalAddress: string;
    /** The command that runs Temporal, for tests that start one of their own. */
    temporalCli: string;
    /** Compiling the workflows takes a second or two, so once per run. */
    workflowBundlePath: string;
  }
}

export default async function startServers(project: TestProject): Promise<() => Promise<void>> {
  const folder = await makeThrowawayFolder('holdfast-test-');
  const stops = [() => removeFolder(folder)];
  const stopAll = async () => {
    for (const stop of stops.toReversed()) await stop();
  };
  const bringUp = async <T extends { stop: () => Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    stops.push(() => server.stop());
    return server;
  };
  try {
    const cli = await findCli();
    const [database, temporal] = await Promise.all([
      bringUp(startDatabase(folder)),
      bringUp(startOrchestrator(folder, cli)),
    ]);
    await makeTemplate(database.url);
    project.provide('databaseUrl', database.url);
    project.provide('temporalAddress', temporal.address);
    project.provide('temporalCli', cli.path);
    project.provide('workflowBundlePath', await writeBundle(folder));
    return stopAll;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

function startDatabase(folder: string) {
  return startPostgres({
    dataFolder: join(folder, 'postgres'),
    port: 0,
    durable: false,
    report: (line) => console.log(line),
    logFile: join(folder, 'postgres.log'),
  });
}

function findCli() {
  const { HOLDFAST_DATA, TEMPORAL_CLI } = localSettings(process.env);
  return findTemporalCli({
    dataFolder: dataFolder(HOLDFAST_DATA).path,
    chosen: TEMPORAL_CLI,
    report: (line) => console.log(line),
  });
}

function startOrchestrator(folder: string, cli: TemporalCli) {
  return startTemporal({ cli, port: 0, timeSkipping: true, logFile: join(folder, 'temporal.log') });
}

async function makeTemplate(url: string): Promise<void> {
  const admin = postgres(url, { max: 1 });
  await admin`create database ${admin(TEMPLATE)}`;
  await admin.end();
  await migrateDatabase(Object.assign(new URL(url), { pathname: `/${TEMPLATE}` }).href);
}

async function writeBundle(folder: string): Promise<string> {
  const path = join(folder, 'workflows.js');
  const { code } = await bundleWorkflows();
  await writeFile(path, code);
  return path;
}
