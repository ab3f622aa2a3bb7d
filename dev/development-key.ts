/**
 * The development key: it opens a developer's own system, so that nobody has to make a key before the first call. A production API
 * refuses to start on a database that has one.
 */
import { openDatabase, type Database } from '../db/connection.ts';
import { createKey, isDevelopmentKey } from '../db/key-changes.ts';
import { KEY_ROLES } from '../domain/access.ts';
import { makeKeyId, makeKeyText, readKeyText } from '../domain/api-key.ts';
import { readSecretFile, writeSecretFile } from './secret-file.ts';
import { commandActor } from '../domain/audit.ts';

/** Makes a development key in this database, and returns its text. */
export const makeDevelopmentKey = (databaseUrl: string): Promise<string> =>
  withDatabase(databaseUrl, createDevelopmentKey);

/** Returns the development key that the file holds, after making one if it holds none that works in this database. */
export function ensureDevelopmentKey(databaseUrl: string, file: string): Promise<string> {
  return withDatabase(databaseUrl, async (database) => {
    const kept = readDevelopmentKey(file);
    const print = kept === undefined ? undefined : readKeyText(kept);
    if (kept !== undefined && print !== undefined && (await isDevelopmentKey(database, print.hash)))
      return kept;
    const text = await createDevelopmentKey(database);
    writeSecretFile(file, text);
    return text;
  });
}

/** The key in the file; undefined when there is no file. */
export const readDevelopmentKey = readSecretFile;

async function createDevelopmentKey(database: Database): Promise<string> {
  const id = makeKeyId();
  const { text, hash } = makeKeyText(id);
  await createKey(database, {
    id,
    hash,
    shop: null,
    name: 'development',
    roles: KEY_ROLES,
    scopes: null,
    createdBy: 'npm start',
    expiresIn: null,
    isDevelopment: true,
  });
  return text;
}

async function withDatabase<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(url, {
    connections: 1,
    name: 'holdfast development key',
    actor: commandActor('start'),
  });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
