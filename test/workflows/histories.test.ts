/** Orders that began under earlier code must continue under this code: every recorded history replays. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { describe, expect, inject, test } from 'vitest';
import { dataConverterOf } from '../../client/data-converter.ts';
import { bundleWorkflows } from '../../worker/bundle.ts';
import { PATHS } from '../recording/paths.ts';
import { VERSION } from '../recording/version.ts';
import { RECORDED_KEYS } from '../support/encrypted-histories.ts';
import { startReplayer } from '../support/replayer.ts';
import { installRuntime } from '../support/runtime.ts';

installRuntime();

const FOLDER = fileURLToPath(new URL('../histories/', import.meta.url));
const CHANGED = fileURLToPath(new URL('../support/changed-workflows.ts', import.meta.url));

/** `<release>/<path>`: orders of earlier releases may still be open. */
const names = (await readdir(FOLDER, { recursive: true }))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''))
  .sort();
const historyOf = async (name: string) =>
  historyFromJSON(JSON.parse(await readFile(`${FOLDER}${name}.json`, 'utf8')));

test('this release has a recorded history of every path of an order\u2019s life, and of nothing else', () => {
  const recorded = names.filter((name) => name.startsWith(`${VERSION}/`));
  expect(recorded).toEqual(
    Object.keys(PATHS)
      .map((path) => `${VERSION}/${path}`)
      .sort(),
  );
});

describe('this code', () => {
  // As a worker in production has them: histories from before there were keys are read, too.
  const replay = startReplayer({
    workflowBundle: { codePath: inject('workflowBundlePath') },
    dataConverter: dataConverterOf({ namespace: 'default', payloadKeys: RECORDED_KEYS }),
  });
  test.each(names)('replays the history %s', async (name) => {
    await replay({ workflowId: name, history: await historyOf(name) });
  });
});

describe('a workflow that was changed without care', async () => {
  const replay = startReplayer({ workflowBundle: await bundleWorkflows(CHANGED) });
  test.each(names)('does not replay the history %s', async (name) => {
    const replaying = replay({ workflowId: name, history: await historyOf(name) });
    await expect(replaying).rejects.toThrow(/TMPRL1100|[Nn]ondeterminism/);
  });
});
