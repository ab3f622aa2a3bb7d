/** Writes what the client has from the API's code: `npm run sdk`. Nothing is started, and nothing is fetched. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readDocument } from './document.ts';
import { writeOperations, writeProblemCodes } from './operations.ts';
import { writeTypes } from './types.ts';

const ROOT = new URL('../../', import.meta.url);

/** Each generated file, by its path in the repository. */
export async function generateSdk(): Promise<ReadonlyMap<string, string>> {
  const document = await readDocument();
  return new Map([
    ['sdk/openapi.json', `${JSON.stringify(document, null, 2)}\n`],
    ['sdk/src/generated/types.ts', await writeTypes(document)],
    ['sdk/src/generated/operations.ts', writeOperations(document)],
    ['sdk/src/generated/problem-codes.ts', writeProblemCodes(document)],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of await generateSdk())
    await writeFile(fileURLToPath(new URL(path, ROOT)), content);
}
