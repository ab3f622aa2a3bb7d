/** Orders whose payloads are encrypted continue under this code, for as long as their key is there. */
import { readdir, readFile } from 'node:fs/promises';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { describe, expect, inject, test } from 'vitest';
import { dataConverterOf } from '../../client/data-converter.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { keyRing } from '../../settings/key-ring.ts';
import { ENCRYPTED_HISTORIES, RECORDED_KEYS } from '../support/encrypted-histories.ts';
import { aKey } from '../support/personal-data.ts';
import { startReplayer } from '../support/replayer.ts';
import { installRuntime } from '../support/runtime.ts';

installRuntime();

const names = (await readdir(ENCRYPTED_HISTORIES)).map((file) => file.replace(/\.json$/, '')).sort();
const textOf = (name: string) => readFile(`${ENCRYPTED_HISTORIES}${name}.json`, 'utf8');
const historyOf = async (name: string) => historyFromJSON(JSON.parse(await textOf(name)));

const replayWith = (payloadKeys: KeyRing | undefined, namespace = 'default') =>
  startReplayer({
    workflowBundle: { codePath: inject('workflowBundlePath') },
    dataConverter: dataConverterOf({ namespace, payloadKeys }),
  });

test.each(names)('nothing of the order can be read in the history %s', async (name) => {
  const encodings = new Set(
    [...(await textOf(name)).matchAll(/"encoding": "([^"]*)"/g)].map(([, text = '']) =>
      Buffer.from(text, 'base64').toString(),
    ),
  );
  // What a local activity did is marked by the SDK itself: the number of the activity, and when it was tried.
  expect([...encodings].filter((encoding) => encoding !== 'json/plain')).toEqual(['binary/encrypted']);
  expect(await textOf(name)).not.toContain(Buffer.from('{"orderId').toString('base64').slice(0, 12));
});

describe('with its key', () => {
  const replay = replayWith(RECORDED_KEYS);
  test.each(names)('the history %s replays', async (name) => {
    await replay({ workflowId: name, history: await historyOf(name) });
  });
});

describe('after its key became an older one', () => {
  const replay = replayWith([...keyRing.parse(aKey('new')), ...RECORDED_KEYS]);
  test.each(names)('the history %s replays', async (name) => {
    await replay({ workflowId: name, history: await historyOf(name) });
  });
});

describe.each([
  ['without keys', undefined, 'default'],
  ['with other keys', keyRing.parse(aKey('other')), 'default'],
  ['in another namespace', RECORDED_KEYS, 'other'],
] as const)('%s', (_, keys, namespace) => {
  const replay = replayWith(keys, namespace);
  test('no history replays', async () => {
    const [name = ''] = names;
    await expect(replay({ workflowId: name, history: await historyOf(name) })).rejects.toThrow();
  });
});
