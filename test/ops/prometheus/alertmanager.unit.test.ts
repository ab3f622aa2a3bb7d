/** The example for Alertmanager speaks of alerts and severities that there are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { hasProgram, runProgram } from '../../support/programs.ts';
import { ALERTS, PROMETHEUS_FOLDER } from '../../support/rule-files.ts';

const FILE = 'alertmanager.yml';
const text = readFileSync(join(PROMETHEUS_FOLDER, FILE), 'utf8');
const { route, receivers } = z
  .object({
    route: z.object({
      receiver: z.string(),
      routes: z.array(z.object({ matchers: z.array(z.string()), receiver: z.string() })),
    }),
    receivers: z.array(z.object({ name: z.string() })),
  })
  .parse(parse(text));

test('every alert that it names is one of the rules', () => {
  const named = [...text.matchAll(/alertname=~?"([^"]+)"/g)].flatMap(([, names = '']) => names.split('|'));
  expect(named.length).toBeGreaterThan(0);
  expect(ALERTS.map(({ alert }) => alert)).toEqual(expect.arrayContaining(named));
});

test('every severity reaches somebody, and every receiver exists', () => {
  const routed = route.routes.flatMap(({ matchers }) =>
    matchers.flatMap((matcher) => /severity="(\w+)"/.exec(matcher)?.[1] ?? []),
  );
  // The first receiver is for what no route is about.
  const unrouted = ALERTS.filter(({ labels }) => !routed.includes(labels.severity));
  expect(new Set(unrouted.map(({ labels }) => labels.severity))).toEqual(new Set(['warning']));
  const named = [route.receiver, ...route.routes.map(({ receiver }) => receiver)];
  expect(receivers.map(({ name }) => name)).toEqual(expect.arrayContaining(named));
});

test.skipIf(!hasProgram('amtool'))('Alertmanager accepts it', () => {
  expect(runProgram('amtool', ['check-config', FILE], PROMETHEUS_FOLDER)).toMatchObject({ code: 0 });
});
