/** The real servers that all tests share, PostgreSQL and Temporal, and the workflows compiled: made once for a run. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findTemporalCli, type TemporalCli } from '../../dev/temporal/cli.ts';
import { startTemporal } from '../../dev/temporal/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { localSettings } from '../../settings.ts';
import { bundleWorkflows } from '../../worker/bundle.ts';
import startDatabaseServer from './database-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
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
  const bringUp = async (starting: Promise<() => Promise<void>>) => {
    stops.push(await starting);
  };
  try {
    const cli = await findCli();
    // Each is awaited, so that whichever fails, what the others started is stopped.
    const results = await Promise.allSettled([
      bringUp(startDatabaseServer(project)),
      bringUp(startTemporalServer(project, folder, cli)),
      provideBundle(project, folder),
    ]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return stopAll;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

function findCli() {
  return findTemporalCli(localSettings(process.env), { report: (line) => console.log(line) });
}

async function startTemporalServer(project: TestProject, folder: string, cli: TemporalCli) {
  const server = await startTemporal({
    cli,
    port: 0,
    timeSkipping: true,
    // Collects its garbage less often: the server takes most of a run's processor time, and memory is not short.
    env: { ...process.env, GOGC: '400' },
    logFile: join(folder, 'temporal.log'),
  });
  project.provide('temporalAddress', server.address);
  project.provide('temporalCli', cli.path);
  return () => server.stop();
}

async function provideBundle(project: TestProject, folder: string): Promise<void> {
  const path = join(folder, 'workflows.js');
  const { code } = await bundleWorkflows();
  await writeFile(path, code);
  project.provide('workflowBundlePath', path);
  // For the workers that tests start as processes.
  process.env['WORKFLOW_BUNDLE'] = path;
}
