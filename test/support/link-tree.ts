/** A second folder with the same files, in a moment: hard links, where the file system can. They are for reading only. */
import { copyFileSync, linkSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** @param admits whether a file, or a folder with all that is in it, is wanted. */
export function linkTree(from: string, to: string, admits: (path: string) => boolean = () => true): void {
  if (!admits(from)) return;
  if (statSync(from).isDirectory()) {
    for (const name of readdirSync(from)) linkTree(join(from, name), join(to, name), admits);
    return;
  }
  mkdirSync(dirname(to), { recursive: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
