import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));

/** The release that is being worked on: histories are kept for each. */
export const VERSION = z.object({ version: z.string() }).parse(manifest).version;
