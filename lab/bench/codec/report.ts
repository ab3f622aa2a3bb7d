/** The figures of encrypted payloads as people read them. */
import { hostLine, table } from '../../harness/report.ts';
import type { CodecFigures, OrderRow } from './figures.ts';

export function codecMarkdown({ machine, startedAt, rows }: CodecFigures): string {
  return [
    hostLine(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}. Bytes and µs of all payloads of one order that was placed and paid.`,
    table(
      [
        'lines',
        'payloads',
        'plain bytes',
        'encrypted bytes',
        'largest',
        'encrypted',
        'encode µs',
        'decode µs',
      ],
      rows.map(cells),
    ),
  ].join('\n\n');
}

const cells = ({ lines, payloads, bytes, encode, decode }: OrderRow): string[] =>
  [
    lines,
    payloads,
    bytes.plain,
    bytes.encrypted,
    bytes.largest.plain,
    bytes.largest.encrypted,
    encode,
    decode,
  ].map((number) => number.toFixed(0));
