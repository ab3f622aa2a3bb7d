/** docs/monitoring.md lists every metric as it is: rules and dashboards are written from it. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { API_METRICS, INSTALLATION_METRICS, PROCESS_METRICS, WORKER_METRICS } from '../../domain/metrics.ts';

const document = await readFile(new URL('../../docs/monitoring.md', import.meta.url), 'utf8');
const rows = document
  .split('\n')
  .filter((line) => line.startsWith('| `holdfast_'))
  .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));

test('docs/monitoring.md lists every metric with its type, its labels and what it is, and no other', () => {
  const all = { ...PROCESS_METRICS, ...API_METRICS, ...WORKER_METRICS, ...INSTALLATION_METRICS };
  const expected = Object.entries(all).map(([name, { type, labels, help }]) => [
    name,
    type,
    Object.keys(labels).join(', '),
    help,
  ]);
  expect(rows.map((cells) => cells.slice(1, 5))).toEqual(expected);
});
