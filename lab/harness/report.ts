/** Figures as Markdown that also reads as a table in a terminal. */
import type { Hardware, Host } from './machine.ts';
import type { Latency } from './statistics.ts';

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0), 3),
  );
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [head, rule, ...rows].map(line).join('\n');
}

export const hardwareLine = ({ cores, cpu, memoryGiB, system, node }: Hardware): string =>
  `${cores} cores of ${cpu}, ${memoryGiB} GiB, ${system}; Node ${node}`;

/** @param more the other servers, after PostgreSQL. */
export const hostLine = (host: Host, more = ''): string =>
  `${hardwareLine(host)}, PostgreSQL ${host.postgres}${more}. Load before the run: ${host.loadBefore.toFixed(1)}.`;

export const latencyCell = ({ p50, p99 }: Latency): string => `${p50.toFixed(0)} / ${p99.toFixed(0)}`;
