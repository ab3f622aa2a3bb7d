/** The real PostgreSQL that all tests share: started once for a run, on a free port, in a folder that is thrown away. */
import { join } from 'node:path';
import { openPostgres } from '../../db/postgres.ts';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '../../db/migrate.ts';
import { makeDevelopmentKey } from '../../dev/development-key.ts';
import { startPostgres } from '../../dev/postgres/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { TEMPLATE } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
    /** Opens every test's database, because it is in the template. */
    developmentKey: string;
  }
}

export default async function startDatabaseServer(project: TestProject): Promise<() => Promise<void>> {
  const running = runningDatabase(project);
  if (running !== undefined) {
    project.provide('databaseUrl', running.databaseUrl);
    project.provide('developmentKey', running.developmentKey);
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
    project.provide('developmentKey', await makeTemplate(server.url));
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide('databaseUrl', server.url);
  return stop;
}

/** The set-ups of the projects run one after the other: the first that needs PostgreSQL starts it for all of them. */
function runningDatabase({
  vitest,
}: TestProject): { databaseUrl: string; developmentKey: string } | undefined {
  for (const project of vitest.projects) {
    const provided: Partial<ReturnType<TestProject['getProvidedContext']>> = project.getProvidedContext();
    const { databaseUrl, developmentKey } = provided;
    if (databaseUrl !== undefined && developmentKey !== undefined) return { databaseUrl, developmentKey };
  }
  return undefined;
}

/** Returns the development key in it. */
async function makeTemplate(url: string): Promise<string> {
  const admin = openPostgres(url, { connections: 1 });
  await admin`create database ${admin(TEMPLATE)}`;
  await admin.end();
  const template = Object.assign(new URL(url), { pathname: `/${TEMPLATE}` }).href;
  await migrateDatabase(template);
  return makeDevelopmentKey(template);
}
