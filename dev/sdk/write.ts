/** `npm run sdk`: writes what the client has from the API's code, and on request the package that others install. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineCommand, runCommand } from '../../cli/command.ts';
import { generateSdk } from './generated.ts';
import { packSdk } from './package.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const command = defineCommand({
  name: 'sdk',
  summary: "Writes the client's OpenAPI document, types and methods from the API's code.",
}).option('--package <folder>', 'also write the package, as JavaScript, for `npm install` and `npm publish`');

await runCommand(command, async ({ package: folder }) => {
  for (const [path, content] of await generateSdk()) await writeFile(join(ROOT, path), content);
  if (folder !== undefined) await packSdk(folder);
});
