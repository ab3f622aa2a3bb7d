/** What the client has from the API's code. Nothing is started, and nothing is fetched. */
import { readDocument } from './document.ts';
import { writeOperations, writeProblemCodes } from './operations.ts';
import { writeTypes } from './types.ts';

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
