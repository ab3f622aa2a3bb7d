/**
 * Where the files of a database are: in its folder, or, when PostgreSQL's user may not enter there, in a folder of the system
 * whose name lies beside it. The name is the project's to keep: a second checkout has none and begins with a database of its
 * own, and a project that is moved takes its database along.
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
  /** Whom PostgreSQL runs as; undefined for ourselves. */
  user: OsUser | undefined;
}

/**
 * Where the data of `dataFolder` is, or is to be made. What an enterable folder left there before it was moved is taken along.
 * @throws {UserError} when there is nobody to run PostgreSQL as, or no place for it, or the data is not this project's.
 */
export function placeData(dataFolder: string): DataPlace {
  mkdirSync(dirname(dataFolder), { recursive: true });
  const outside = findOutside(dataFolder);
  if (outside !== undefined) return takeUp(dataFolder, outside);
  const user = postgresUser(dataFolder);
  if (user === undefined || canEnter(user, dirname(dataFolder))) return { folder: dataFolder, user };
  const place = inSystemFolder(user, (system) => {
    const made = mkdtempSync(join(system, PREFIX));
    chmodSync(made, 0o711);
    return made;
  });
  writeFileSync(ownerFile(place), realPath(dataFolder), { mode: 0o600 });
  writeWhole(linkFile(dataFolder), place);
  return takeUp(dataFolder, place);
}

/** Forgets a database, wherever it is. */
export function forgetData(dataFolder: string): void {
  const outside = findOutside(dataFolder);
  // One that belongs to the original of a copied project stays there.
  if (outside !== undefined && existsSync(outside) && ownerOf(outside) === realPath(dataFolder))
    rmSync(outside, { recursive: true, force: true });
  rmSync(linkFile(dataFolder), { force: true });
  rmSync(dataFolder, { recursive: true, force: true });
}

/** Whether there is data, here or elsewhere. */
export const hasData = (dataFolder: string): boolean =>
  existsSync(dataFolder) || existsSync(linkFile(dataFolder));

const PREFIX = 'data-';

/** Beside the data folder: where its data really is. */
const linkFile = (dataFolder: string): string => `${dataFolder}.elsewhere`;
/** In the place outside: whose data it is. */
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
  // As root we go, and delete, where this says: only where we ourselves have made it.
  const isOurs =
    lstatSync(link).uid === 0 && /^(\/var\/lib|\/var\/tmp|\/tmp)\/holdfast\/data-\w+$/.test(place);
  if (!isOurs) throw new UserError(`${link} was not written by Holdfast. Look at it, and remove it.`);
  return place;
}

function takeUp(dataFolder: string, place: string): DataPlace {
  if (!existsSync(place)) {
    throw new UserError(
      `The database of this project was in ${place}, which is gone (as after a container was made anew).\n` +
        'Bring it back, or begin anew with `npm run reset -- --yes`.',
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

/** The project may have been moved, and then goes on; it may have been copied, and then two would write to one database. */
function moveOwner(dataFolder: string, place: string): void {
  const owner = ownerOf(place);
  const now = realPath(dataFolder);
  if (owner === now) return;
  const stillThere = existsSync(linkFile(owner)) && readFileSync(linkFile(owner), 'utf8').trim() === place;
  if (stillThere) {
    throw new UserError(
      `This is a copy of ${dirname(owner)}, and the database in ${place} belongs to that one.\n` +
        'Begin here with a database of its own: `npm run reset -- --yes` forgets the copied data, and leaves the original alone.',
    );
  }
  writeWhole(ownerFile(place), now);
}

/** What the project's own folder holds; cut off half-way, the next start goes on with it. */
function moveIn(from: string, to: string): void {
  if (!existsSync(from)) return;
  if (existsSync(to)) return rmSync(from, { recursive: true, force: true });
  try {
    renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    const unfinished = `${to}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    // Unlike Node's own copy it keeps the owner of each file.
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
