/** The client as others install it: JavaScript with its types. Within this repository Node runs the TypeScript files. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SDK = join(ROOT, 'sdk');
/** Version 5.9: what it compiles, the compilers of others understand. */
const COMPILER = join(SDK, 'node_modules/typescript/bin/tsc');

/** What the manifest says to this repository alone. */
const OUR_OWN: ReadonlySet<string> = new Set(['private', 'scripts', 'devDependencies']);

/** Writes a folder that `npm install` and `npm publish` take. */
export async function packSdk(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await promisify(execFile)(process.execPath, [COMPILER, '--project', SDK, '--outDir', join(folder, 'dist')]);
  const manifest = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(await readFile(join(SDK, 'package.json'), 'utf8')));
  const packed = {
    ...Object.fromEntries(Object.entries(manifest).filter(([name]) => !OUR_OWN.has(name))),
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    files: ['dist', 'openapi.json'],
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(packed, null, 2)}\n`);
  for (const file of ['README.md', 'openapi.json']) await copyFile(join(SDK, file), join(folder, file));
  await copyFile(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
}
