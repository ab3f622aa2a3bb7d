/** The real servers that all tests share: started once for the run, on free ports and in a folder that is thrown away. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '../../db/migrate.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { TEMPLATE } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

export default async function startServers(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
  // As root, PostgreSQL runs as another user, who has to enter.
  await chmod(folder, 0o755);
  const stops = [() => rm(folder, { recursive: true, force: true })];
  const stopAll = async () => {
    for (const stop of stops.toReversed()) await stop();
  };
  try {
    const database = await startPostgres({
      dataFolder: join(folder, 'postgres'),
      port: 0,
      durable: false,
      logFile: join(folder, 'postgres.log'),
    });
    stops.push(() => database.stop());
    await makeTemplate(database.url);
    project.provide('databaseUrl', database.url);
    return stopAll;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function makeTemplate(url: string): Promise<void> {
  const admin = postgres(url, { max: 1 });
  await admin`create database ${admin(TEMPLATE)}`;
  await admin.end();
  await migrateDatabase(Object.assign(new URL(url), { pathname: `/${TEMPLATE}` }).href);
}
