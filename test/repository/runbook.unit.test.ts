/** Whatever asks for a person leads to a section of the runbook, and what the runbook has people paste is what is tested. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ATTENTION_REASONS } from '../../domain/attention.ts';
import { MEASURES } from '../../domain/measures.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';
import { QUERY_NAMES, buyersOrders, workflowQuery } from '../../domain/workflow-queries.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const runbook = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8');

interface Section {
  chapter: string;
  name: string;
  text: string;
}

/** The sections of all chapters. */
const sections: readonly Section[] = runbook.split(/^## /m).flatMap((chapter) => {
  const [head = '', ...rest] = chapter.split(/^### /m);
  return rest.map((section) => {
    const [name = '', ...lines] = section.split('\n');
    return { chapter: head.split('\n')[0] ?? '', name, text: lines.join('\n').trim() };
  });
});

const namesIn = (chapter: string): string[] =>
  sections.filter((section) => section.chapter === chapter).map(({ name }) => name);

/** The sections that the alert rules for Prometheus lead to. */
function alertAnchors(): Set<string> {
  const folder = join(ROOT, 'ops/prometheus/rules');
  const rules = existsSync(folder)
    ? readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
    : [];
  const linked = rules.flatMap((text) => [...text.matchAll(/runbook#(\w+)/g)]);
  const levels = rules.flatMap((text) => [...text.matchAll(/labels: \{ slo: (\w+) \}/g)]);
  return new Set([...linked, ...levels].map(([, name = '']) => name));
}

describe('the runbook', () => {
  test('has one section for each reason of attention, in their order, and no other', () => {
    expect(namesIn('Attention')).toEqual(ATTENTION_REASONS);
  });

  test('has one section for each kind of finding, and no other', () => {
    expect(namesIn('Findings').toSorted()).toEqual(FINDING_KINDS.toSorted());
  });

  test('has a section for each measure of the monitor and for each alert of Prometheus', () => {
    const alerts = new Set(namesIn('Alerts'));
    expect([...MEASURES, ...alertAnchors()].filter((name) => !alerts.has(name))).toEqual([]);
  });

  test('has something to say in every section, and no name twice', () => {
    expect(sections.filter(({ text }) => text.length < 60)).toEqual([]);
    expect(new Set(sections.map(({ name }) => name)).size).toBe(sections.length);
  });

  test('has the queries that find what they say', () => {
    const pasted = [...runbook.matchAll(/^\| ([\w' ]+?) +\| `(.*?)`/gm)].map(([, name, query]) => [
      name,
      query,
    ]);
    const times: Record<string, Date> = {
      'past deadline': new Date('2026-11-28T12:00:00Z'),
      'refunded today': new Date('2026-11-28T23:00:00Z'),
    };
    for (const name of QUERY_NAMES)
      expect(pasted).toContainEqual([name, workflowQuery(name, times[name] ?? new Date())]);
    expect(pasted).toContainEqual(["one buyer's orders", buyersOrders({ buyerId: 'alice' })]);
  });
});
