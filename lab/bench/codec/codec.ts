/** What it costs to encrypt all payloads of an order, and to read them again: bytes in Temporal's database, and processor time. */
import { randomBytes } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { ApiClient, expectStatus, fetchFrom } from '../../../api/client.ts';
import { connectTemporal } from '../../../client/connection.ts';
import { payloadCodec } from '../../../client/payload-codec.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import { keyRing } from '../../../settings/key-ring.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { median } from '../../harness/statistics.ts';
import type { System } from '../../harness/system.ts';
import { withBenchSystem, type BenchmarkOptions, type Outcome } from '../benchmark.ts';
import { fillCatalogue } from '../catalogue.ts';
import type { CodecFigures, OrderRow } from './figures.ts';
import { codecMarkdown } from './report.ts';

const LINES = [1, 10, 100] as const;
const ROUNDS = 50;
const REPEATS = 20;

/** Measures {@link CodecFigures}. */
export function benchCodec(options: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withBenchSystem(options, async (system) => {
    const rows: OrderRow[] = [];
    const api = new ApiClient(fetchFrom(system.apiUrl), system.credentials);
    const catalogue = await fillCatalogue(api);
    for (const lines of LINES) {
      options.report(`An order of ${lines} ${lines === 1 ? 'line' : 'lines'}`);
      const body = { ...catalogue.nextOrder(), lines: linesOf(lines) };
      const { id } = expectStatus(await api.createOrder(body), 201).body;
      expectStatus(await api.payOrder(id), 200);
      rows.push(await measure(lines, await payloadsOf(system, id)));
    }
    const figures: CodecFigures = {
      benchmark: 'codec',
      startedAt,
      machine: await describeMachine(system, loadBefore),
      rows,
    };
    return { markdown: codecMarkdown(figures), figures };
  });
}

/** SKUs of the catalogue. */
const linesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ sku: `BENCH-${index}`, quantity: 1 }));

/** As they are without encryption, whatever this system is set to. */
async function payloadsOf(system: System, orderId: string): Promise<Payload[]> {
  const { client, close } = await connectTemporal({ address: system.temporalAddress, ...system.payloads });
  try {
    const history = await client.workflow.getHandle(orderWorkflowId(orderId)).fetchHistory();
    return await payloadCodec(system.payloads).decode(collect(history));
  } finally {
    await close();
  }
}

function collect(value: unknown): Payload[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return isPayload(value) ? [value] : Object.values(value).flatMap(collect);
}

const isPayload = (value: object): value is Payload =>
  'metadata' in value &&
  typeof value.metadata === 'object' &&
  value.metadata !== null &&
  'encoding' in value.metadata;

async function measure(lines: number, payloads: Payload[]): Promise<OrderRow> {
  const payloadKeys = keyRing.parse(`bench:${randomBytes(32).toString('base64')}`);
  const codec = payloadCodec({ namespace: 'default', payloadKeys });
  const encrypted = await codec.encode(payloads);
  const [plainSizes, encryptedSizes] = [payloads.map(sizeOf), encrypted.map(sizeOf)];
  const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);
  return {
    lines,
    payloads: payloads.length,
    bytes: {
      plain: total(plainSizes),
      encrypted: total(encryptedSizes),
      largest: { plain: Math.max(...plainSizes), encrypted: Math.max(...encryptedSizes) },
    },
    encode: await microseconds(() => codec.encode(payloads)),
    decode: await microseconds(() => codec.decode(encrypted)),
  };
}

const sizeOf = (payload: Payload): number =>
  proto.temporal.api.common.v1.Payload.encode(payload).finish().length;

/** The median of some rounds. */
async function microseconds(work: () => Promise<unknown>): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let repeat = 0; repeat < REPEATS; repeat++) await work();
    const { user, system } = process.cpuUsage(before);
    rounds.push((user + system) / REPEATS);
  }
  return median(rounds);
}
