/** What the client has from the API is what the API's code says. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { generateSdk } from '../../../dev/sdk/generated.ts';

test('the document and the types of the client are those of this API; otherwise run `npm run sdk`', async () => {
  const generated = await generateSdk();
  expect([...generated.keys()]).toContain('sdk/openapi.json');
  const stale: string[] = [];
  for (const [path, content] of generated) {
    const kept = await readFile(new URL(`../../../${path}`, import.meta.url), 'utf8').catch(() => '');
    if (kept !== content) stale.push(path);
  }
  expect(stale).toEqual([]);
});
