/** A folder for one run that PostgreSQL's user can enter, wherever the system keeps temporary files. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canEnter, postgresUser } from './user.ts';
import { inSystemFolder } from './system-folder.ts';

/** @param prefix the first part of its name. The caller removes the folder, with `removeFolder`. */
export async function makeThrowawayFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  const user = postgresUser(folder);
  if (user === undefined) return folder;
  // Under root, PostgreSQL runs as another user, who must be able to enter.
  await chmod(folder, 0o755);
  if (canEnter(user, folder)) return folder;
  await removeFolder(folder);
  const instead = await mkdtemp(
    join(
      inSystemFolder(user, (system) => system),
      prefix,
    ),
  );
  await chmod(instead, 0o755);
  return instead;
}

export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });
