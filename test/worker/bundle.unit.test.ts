/** Workflows that were compiled ahead are taken from their file, and nothing else takes their place. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { workflowBundle } from '../../worker/bundle.ts';

test('workflows that were compiled ahead are run from their file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bundle-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'workflows.js');
  await writeFile(file, '');
  expect(await workflowBundle(file)).toEqual({ codePath: file });
});

test('a worker that does not find the workflows compiled ahead names the file, and compiles none instead', async () => {
  await expect(workflowBundle('/nowhere/workflows.js')).rejects.toThrow('/nowhere/workflows.js');
});
