/** What a refund is of, in a few words: for the Web UI, which shows them in lists. */
import type { RefundLine, RefundPart } from './order.ts';

export function summarizeRefund({ amount, lines, restock }: RefundPart): string {
  if (amount !== undefined) return `Refund of ${amount} in minor units`;
  if (lines === undefined) return restock ? 'Refund and restock' : 'Refund';
  const { all, restocked } = countUnits(lines);
  const units = `Refund of ${all} ${all === 1 ? 'unit' : 'units'}`;
  return restocked === 0 ? units : `${units}, ${restocked === all ? 'all' : restocked} restocked`;
}

export function countUnits(lines: readonly RefundLine[]): { all: number; restocked: number } {
  const sum = (some: readonly RefundLine[]) => some.reduce((units, { quantity }) => units + quantity, 0);
  return { all: sum(lines), restocked: sum(lines.filter(({ restock }) => restock)) };
}
