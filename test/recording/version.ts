/** The release whose histories are recorded. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));

/** The release that is being worked on. Each release keeps its own histories. */
export const VERSION = z.object({ version: z.string() }).parse(manifest).version;
