/** Writes the figures as Markdown that is also readable in a terminal. */
import { hostLine, table } from '../../harness/report.ts';
import { ALLOWED } from './allowed.ts';
import type { PlanRow, PlansFigures } from './figures.ts';

export function plansMarkdown({
  machine,
  startedAt,
  orders,
  tables,
  secondsToFill,
  rows,
}: PlansFigures): string {
  const wrong = rows.filter(({ faults }) => faults.length > 0);
  return [
    hostLine(machine),
    `${startedAt.slice(0, 10)}, ${orders} orders of six months, written in ${secondsToFill.toFixed(0)} s; ` +
      tables.map(({ name, rows: count }) => `${name} ${count}`).join(', ') +
      '.',
    table(
      ['question', 'asked by', 'ms', 'rows read', 'returned', 'for each', 'pages', 'by'],
      rows.map(cells),
    ),
    table(
      ['questions', 'may', 'because'],
      ALLOWED.map(({ questions, because, ...allowed }) => [questions, describe(allowed), because]),
    ),
    wrong.length === 0
      ? `All of ${rows.length} questions are answered by an index, or are about all rows.`
      : table(
          ['wrong', 'asked by', 'why'],
          wrong.map(({ question, as, faults }) => [question, as, faults.join('; ')]),
        ),
  ].join('\n\n');
}

const cells = ({ question, as, ms, rows, returned, pages, by }: PlanRow): string[] => [
  question,
  as,
  ms.toFixed(2),
  rows.toFixed(0),
  returned.toFixed(0),
  returned === 0 ? '' : (rows / returned).toFixed(1),
  String(pages),
  by,
];

function describe({
  whole = [],
  rows,
  everyMonth,
}: Omit<(typeof ALLOWED)[number], 'questions' | 'because'>): string {
  return [
    ...whole.map((name) => `read all of ${name}`),
    ...(rows === undefined ? [] : [`read ${rows} rows`]),
    ...(everyMonth === true ? ['look into every month'] : []),
  ].join(', ');
}
