/** Orders that began under earlier code must go on under this one: every recorded history replays. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { describe, expect, inject, test } from 'vitest';
import { bundleWorkflows } from '../../worker/worker.ts';
import { PATHS } from '../recording/paths.ts';
import { VERSION } from '../recording/version.ts';
import { startReplayer } from '../support/replayer.ts';

const FOLDER = fileURLToPath(new URL('../histories/', import.meta.url));
const CHANGED = fileURLToPath(new URL('../support/changed-workflows.ts', import.meta.url));

// A failed replay is what the second half of this file is after.
Runtime.install({
  logger: new DefaultLogger('ERROR', () => {}),
  telemetryOptions: { logging: { filter: 'OFF', console: {} } },
});

/** `<release>/<path>`: those of earlier releases tell of orders that may still be open. */
const names = (await readdir(FOLDER, { recursive: true }))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''))
  .sort();
const historyOf = async (name: string) =>
  historyFromJSON(JSON.parse(await readFile(`${FOLDER}${name}.json`, 'utf8')));

test('there is a history of this release for every path of an order\u2019s life, and for no other', () => {
  const recorded = names.filter((name) => name.startsWith(`${VERSION}/`));
  expect(recorded).toEqual(
    Object.keys(PATHS)
      .map((path) => `${VERSION}/${path}`)
      .sort(),
  );
});

describe('this code replays', () => {
  const replay = startReplayer({ workflowBundle: { codePath: inject('workflowBundlePath') } });
  test.each(names)('%s', async (name) => {
    await replay({ workflowId: name, history: await historyOf(name) });
  });
});

describe('a deliberately changed workflow is found out by', async () => {
  const replay = startReplayer({ workflowBundle: await bundleWorkflows(CHANGED) });
  test.each(names)('%s', async (name) => {
    const replaying = replay({ workflowId: name, history: await historyOf(name) });
    await expect(replaying).rejects.toThrow(/TMPRL1100|[Nn]ondeterminism/);
  });
});
