/** Settings are refused when they are wrong, and the README tells of each. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { SETTING_NAMES, apiSettings, workerSettings } from '../settings.ts';

const servers = { DATABASE_URL: 'postgres://localhost/holdfast', TEMPORAL_ADDRESS: 'localhost:7233' };

test('the README\u2019s table names every setting, and no other', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const table = readme.split('## Configuration')[1]?.split('\n## ')[0] ?? '';
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_][A-Z0-9_]*)`/g)].map(([, name]) => name),
  );
  expect(new Set(named)).toEqual(new Set(SETTING_NAMES));
});

test('a duration is a number with a unit', () => {
  const windows = ['500ms', '5s', '15m', '2h', '1d'].map((PAYMENT_WINDOW) =>
    apiSettings({ ...servers, PAYMENT_WINDOW }),
  );
  expect(windows.map(({ PAYMENT_WINDOW }) => PAYMENT_WINDOW)).toEqual([
    500, 5_000, 900_000, 7_200_000, 86_400_000,
  ]);
});

describe('a setting is refused by name when it is', () => {
  test.each([
    ['missing', { TEMPORAL_ADDRESS: undefined }, /TEMPORAL_ADDRESS is missing/],
    ['not a duration', { PAYMENT_WINDOW: '15 minutes' }, /PAYMENT_WINDOW must be a duration/],
    ['a window of no time', { PAYMENT_WINDOW: '0s' }, /PAYMENT_WINDOW must be a duration/],
    ['not a port', { PORT: '70000' }, /PORT/],
    [
      'another kind of address',
      { DATABASE_URL: 'mysql://localhost/holdfast' },
      /DATABASE_URL must start with postgres/,
    ],
  ])('%s', (_what, settings, message) => {
    expect(() => apiSettings({ ...servers, ...settings })).toThrow(message);
  });

  test.each([
    [
      'a receiver of alerts that is no URL',
      { ALERT_WEBHOOK_URL: 'example.com' },
      /ALERT_WEBHOOK_URL must start/,
    ],
    [
      'a receiver of alerts with a password in its URL',
      { ALERT_WEBHOOK_URL: 'https://me:secret@example.com/' },
      /ALERT_WEBHOOK_URL must have no user/,
    ],
    ['a share in percent', { ALERT_DATABASE_CONNECTIONS: '80' }, /ALERT_DATABASE_CONNECTIONS/],
    ['no number', { ALERT_BUSY_BUYERS: 'many' }, /ALERT_BUSY_BUYERS/],
  ])('%s', (_what, settings, message) => {
    expect(() => workerSettings({ ...servers, ...settings })).toThrow(message);
  });

  test('one of several that are wrong: all are named', () => {
    const read = () => workerSettings({ WORKER_STEP_SLOTS: '0', SHUTDOWN_GRACE: 'long' });
    expect(read).toThrow(/DATABASE_URL[\s\S]*TEMPORAL_ADDRESS[\s\S]*WORKER_STEP_SLOTS[\s\S]*SHUTDOWN_GRACE/);
  });
});
