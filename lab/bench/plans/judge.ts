/** Judges how a statement was carried out: by what it read, and not by the time that it took. */
import { sum } from '../../harness/statistics.ts';
import { nodesOf, type Explained, type PlanNode } from './plan.ts';
import type { Tables } from './tables.ts';

/** A smaller table may be read as a whole: that costs no more than looking up some of its rows. */
export const SMALL_TABLE = 10_000;
/** Rows that a statement may read besides those that it returns: an order's, a few of which it changes. */
const ROWS_BESIDES = 100;
/** Rows that it may read for each that it returns: its parts, and those that an index in the right order has between them. */
const ROWS_FOR_EACH = 40;
/** Pages for each row: an index is some levels deep. A statement that goes far beyond that searches an index by a part that does not lead. */
const PAGES_FOR_EACH = 10;
/** The month that is asked for, and the partition for what no month was made for. */
const MONTHS = 2;

/** What a question about many rows may do. */
export interface Allowance {
  /** Tables that it may read as a whole. */
  whole?: readonly string[];
  /** Rows that a statement of it may read. */
  rows?: number;
  /** Whether it may look into every month. */
  everyMonth?: boolean;
}

export interface Read {
  rows: number;
  returned: number;
  pages: number;
  /** Of the scan that read most. */
  by: string;
}

interface Scan {
  node: PlanNode;
  table: string;
  rows: number;
  index: string | undefined;
}

const rowsOf = (node: PlanNode): number =>
  (node['Actual Rows'] + node['Rows Removed by Filter'] + node['Rows Removed by Index Recheck']) *
  node['Actual Loops'];

/** The scans of tables that were carried out: of the parts of a table, only those that were not pruned. */
function scansOf(plan: PlanNode, tables: Tables): Scan[] {
  return nodesOf(plan).flatMap((node) => {
    const table = node['Relation Name'];
    if (table === undefined || !node['Node Type'].endsWith('Scan') || node['Actual Loops'] === 0) return [];
    if (!tables.has(table)) return [];
    const index = node['Index Name'] ?? nodesOf(node).find((below) => below['Index Name'])?.['Index Name'];
    return [{ node, table, rows: rowsOf(node), index }];
  });
}

const isSmall = ({ node, table }: Scan, tables: Tables): boolean =>
  node['Node Type'] === 'Seq Scan' && (tables.get(table)?.rows ?? 0) <= SMALL_TABLE;

export function readOf({ plan }: Explained, tables: Tables): Read {
  const scans = scansOf(plan, tables);
  const most = scans.toSorted((a, b) => b.rows - a.rows)[0];
  return {
    rows: sum(scans.map(({ rows }) => rows)),
    returned: plan['Actual Rows'] * plan['Actual Loops'],
    pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    by: most === undefined ? '' : (most.index ?? `all of ${most.table}`),
  };
}

/** What is wrong with how a statement was carried out, as sentences. */
export function findFaults(explained: Explained, tables: Tables, allowed: Allowance): string[] {
  const scans = scansOf(explained.plan, tables);
  const { returned, pages } = readOf(explained, tables);
  const rows = sum(scans.filter((scan) => !isSmall(scan, tables)).map((scan) => scan.rows));
  const whole = new Set(allowed.whole);
  const mostRows = Math.max(allowed.rows ?? 0, ROWS_BESIDES + ROWS_FOR_EACH * returned);
  const mostPages = PAGES_FOR_EACH * (ROWS_BESIDES + Math.max(rows, mostRows));
  const months = new Map<string, Set<string>>();
  for (const { table } of scans) {
    const { partOf, rows: size = 0 } = tables.get(table) ?? {};
    // The months ahead are empty.
    if (partOf && size > 0) months.set(partOf, (months.get(partOf) ?? new Set()).add(table));
  }
  return [
    ...scans
      .filter((scan) => scan.node['Node Type'] === 'Seq Scan' && !isSmall(scan, tables))
      .filter(({ table }) => !whole.has(tables.get(table)?.partOf ?? table))
      .map(({ table }) => `reads all of ${table}`),
    ...(rows > mostRows ? [`reads ${Math.round(rows)} rows and returns ${Math.round(returned)}`] : []),
    ...(pages > mostPages ? [`reads ${pages} pages for ${Math.round(rows)} rows`] : []),
    ...[...months]
      .filter(([, parts]) => parts.size > MONTHS && allowed.everyMonth !== true)
      .map(([table, parts]) => `looks into ${parts.size} months of ${table}`),
  ];
}
