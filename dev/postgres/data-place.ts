/**
 * Finds the place of a database's files: its data folder, or, when PostgreSQL's user may not enter that, a system folder whose
 * name is kept in a file beside it. The name belongs to the project: a second checkout has none and starts with a database
 * of its own, and a project that is moved takes its database along.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../cli/user-error.ts';
import { canEnter, postgresUser, type OsUser } from './user.ts';
import { inSystemFolder, refuseUnlessOurs } from './system-folder.ts';

export interface DataPlace {
  folder: string;
  /** The user that PostgreSQL runs as; undefined for the user of this process. */
  user: OsUser | undefined;
}

/**
 * Returns where the data of `dataFolder` is or will be. Data from before the project moved to a closed folder is moved there.
 * @throws {UserError} when PostgreSQL has no user or no place here, or the data belongs to another project.
 */
export function placeData(dataFolder: string): DataPlace {
  mkdirSync(dirname(dataFolder), { recursive: true });
  const outside = findOutside(dataFolder);
  if (outside !== undefined) return openPlace(dataFolder, outside);
  const user = postgresUser(dataFolder);
  if (user === undefined || canEnter(user, dirname(dataFolder))) return { folder: dataFolder, user };
  const place = inSystemFolder(user, (system) => {
    const made = mkdtempSync(join(system, PREFIX));
    chmodSync(made, 0o711);
    return made;
  });
  writeFileSync(ownerFile(place), realPath(dataFolder), { mode: 0o600 });
  writeWhole(linkFile(dataFolder), place);
  return openPlace(dataFolder, place);
}

/** Deletes a database, wherever it is. */
export function deleteData(dataFolder: string): void {
  const outside = findOutside(dataFolder);
  // In a copied project, the database of the original stays where it is.
  if (outside !== undefined && existsSync(outside) && ownerOf(outside) === realPath(dataFolder))
    rmSync(outside, { recursive: true, force: true });
  rmSync(linkFile(dataFolder), { force: true });
  rmSync(dataFolder, { recursive: true, force: true });
}

/** Whether a database exists, here or elsewhere. */
export const hasData = (dataFolder: string): boolean =>
  existsSync(dataFolder) || existsSync(linkFile(dataFolder));

const PREFIX = 'data-';

/** A file beside the data folder that says where its data really is. */
const linkFile = (dataFolder: string): string => `${dataFolder}.elsewhere`;
/** A file beside the data that says which project it belongs to. */
const ownerFile = (place: string): string => join(place, 'belongs-to');

const realPath = (dataFolder: string): string =>
  join(realpathSync(dirname(dataFolder)), basename(dataFolder));

const ownerOf = (place: string): string => readFileSync(ownerFile(place), 'utf8').trim();

function findOutside(dataFolder: string): string | undefined {
  const link = linkFile(dataFolder);
  if (!existsSync(link)) return undefined;
  if (process.getuid?.() !== 0) {
    throw new UserError(
      `The database of ${dirname(dataFolder)} belongs to root: an earlier start ran as root.\n` +
        'Start as root again, or set HOLDFAST_DATA to another folder.',
    );
  }
  const place = readFileSync(link, 'utf8').trim();
  // Root would read and delete whatever this names, so accept only a folder that Holdfast itself created.
  const isOurs =
    lstatSync(link).uid === 0 && /^(\/var\/lib|\/var\/tmp|\/tmp)\/holdfast\/data-\w+$/.test(place);
  if (!isOurs) throw new UserError(`${link} was not written by Holdfast. Inspect it, and remove it.`);
  return place;
}

function openPlace(dataFolder: string, place: string): DataPlace {
  if (!existsSync(place)) {
    throw new UserError(
      `The database of this project was in ${place}, which is gone, as after a container was recreated.\n` +
        'Restore it, or start over with `npm run reset -- --yes`.',
    );
  }
  try {
    refuseUnlessOurs(dirname(place));
    refuseUnlessOurs(place);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`The database of this project is in ${place}, which cannot be used: ${reason}.`);
  }
  moveOwner(dataFolder, place);
  const folder = join(place, basename(dataFolder));
  moveIn(dataFolder, folder);
  return { folder, user: postgresUser(folder) };
}

/** A project that was moved keeps its database. One that was copied may not use it: two would write to one database. */
function moveOwner(dataFolder: string, place: string): void {
  const owner = ownerOf(place);
  const now = realPath(dataFolder);
  if (owner === now) return;
  const stillThere = existsSync(linkFile(owner)) && readFileSync(linkFile(owner), 'utf8').trim() === place;
  if (stillThere) {
    throw new UserError(
      `This is a copy of ${dirname(owner)}, and the database in ${place} belongs to the original.\n` +
        'Start with a database of its own: `npm run reset -- --yes` deletes the copied data and leaves the original alone.',
    );
  }
  writeWhole(ownerFile(place), now);
}

/** Moves what the project's own folder holds. If it is interrupted, the next start continues. */
function moveIn(from: string, to: string): void {
  if (!existsSync(from)) return;
  if (existsSync(to)) return rmSync(from, { recursive: true, force: true });
  try {
    renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    const unfinished = `${to}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    // Unlike Node's own copy, it keeps the owner of each file.
    execFileSync('cp', ['-pR', '--', from, unfinished]);
    renameSync(unfinished, to);
    rmSync(from, { recursive: true, force: true });
  }
}

function writeWhole(file: string, text: string): void {
  const draft = `${file}.draft-${process.pid}`;
  writeFileSync(draft, `${text}\n`, { mode: 0o600 });
  renameSync(draft, file);
}
