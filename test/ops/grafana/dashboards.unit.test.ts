/** The dashboards: that Grafana can load them, that their queries can be answered, and that their links have what they need. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { QUERY_NAMES, workflowQuery } from '../../../domain/workflow-queries.ts';
import { DASHBOARDS, DASHBOARD_QUERIES } from '../../support/dashboards.ts';
import { mistakesIn } from '../../support/metric-queries.ts';
import { hasProgram, runProgram } from '../../support/programs.ts';

test.skipIf(!hasProgram('promtool'))('every query of a dashboard is one that Prometheus understands', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-queries-'));
  try {
    const rules = DASHBOARD_QUERIES.map(({ query }, number) => ({ record: `query:${number}`, expr: query }));
    writeFileSync(join(folder, 'queries.json'), JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    expect(runProgram('promtool', ['check', 'rules', 'queries.json'], folder)).toMatchObject({ code: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(DASHBOARD_QUERIES)(
  '$name asks for metrics that exist, with labels and values that they have',
  ({ query }) => {
    expect(mistakesIn(query)).toEqual([]);
  },
);

test.each(DASHBOARDS)('$file uses no variable that it does not declare', ({ text, templating }) => {
  const declared = templating.list.map(({ name }) => name);
  const used = [...text.matchAll(/\$(?:\{(\w+)|(\w+))/g)].map(([, braced, bare]) => braced ?? bare ?? '');
  expect(declared).toEqual(expect.arrayContaining(used.filter((name) => !name.startsWith('__'))));
});

test.each(DASHBOARDS)('$file has no panel over another, and none beside the grid', ({ panels }) => {
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos }) => gridPos.x + gridPos.w))).toBe(24);
});

test('every dashboard and every panel of one has an id of its own', () => {
  expect(new Set(DASHBOARDS.map(({ uid }) => uid)).size).toBe(DASHBOARDS.length);
  for (const { panels } of DASHBOARDS) expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
});

test('every link into the Web UI asks for what an operator pastes there', () => {
  const asked = DASHBOARDS.flatMap(({ text }) =>
    [...text.matchAll(/\/workflows\?query=([\w%.~*'-]+)/g)].map(([, query = '']) =>
      decodeURIComponent(query),
    ),
  );
  const known = QUERY_NAMES.map((name) => workflowQuery(name, new Date(0)));
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.filter((query) => !known.includes(query) && !query.includes('refund-'))).toEqual([]);
});
