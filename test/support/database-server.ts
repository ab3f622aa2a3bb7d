/** The real PostgreSQL that all tests share: started once for a run, on a free port, in a folder that is thrown away. */
import { join } from 'node:path';
import { openPostgres } from '../../db/postgres.ts';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '../../db/migrate.ts';
import { startPostgres } from '../../dev/postgres/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { TEMPLATE } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

export default async function startDatabaseServer(project: TestProject): Promise<() => Promise<void>> {
  const running = runningDatabase(project);
  if (running !== undefined) {
    project.provide('databaseUrl', running);
    return async () => {};
  }
  const folder = await makeThrowawayFolder('holdfast-test-database-');
  const server = await startPostgres({
    dataFolder: join(folder, 'postgres'),
    port: 0,
    durable: false,
    report: (line) => console.log(line),
    logFile: join(folder, 'postgres.log'),
  }).catch(async (error: unknown) => {
    await removeFolder(folder);
    throw error;
  });
  const stop = async () => {
    await server.stop();
    await removeFolder(folder);
  };
  try {
    await makeTemplate(server.url);
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide('databaseUrl', server.url);
  return stop;
}

/** The set-ups of the projects run one after the other: the first that needs PostgreSQL starts it for all of them. */
function runningDatabase({ vitest }: TestProject): string | undefined {
  return vitest.projects
    .map((project): Partial<ReturnType<TestProject['getProvidedContext']>> => project.getProvidedContext())
    .find(({ databaseUrl }) => databaseUrl !== undefined)?.databaseUrl;
}

async function makeTemplate(url: string): Promise<void> {
  const admin = openPostgres(url, { connections: 1 });
  await admin`create database ${admin(TEMPLATE)}`;
  await admin.end();
  await migrateDatabase(Object.assign(new URL(url), { pathname: `/${TEMPLATE}` }).href);
}
