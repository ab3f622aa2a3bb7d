/**
 * `npm run bench`: what the system costs.
 * What belongs in lab/: programs that drive the whole system, on servers of their own, to measure it (bench/) or to break it
 * (faults/). Nothing in bench/ passes or fails by the clock: a run fails only when the system did something wrong.
 */
import { Argument } from '@commander-js/extra-typings';
import { wholeNumber } from '../../cli/values.ts';
import { defineMeasurement, runMeasurement } from '../harness/command.ts';
import type { Benchmark } from './benchmark.ts';
import { benchBurst } from './burst/burst.ts';
import { benchHotSku } from './hot-sku/hot-sku.ts';
import { benchOrders } from './orders/orders.ts';
import { benchPayments } from './payments/payments.ts';
import { benchPlans } from './plans/plans.ts';
import { benchSearch } from './search/search.ts';
import { benchStats } from './stats/stats.ts';
import { benchWebhooks } from './webhooks/webhooks.ts';

const NAMES = ['orders', 'hot-sku', 'stats', 'burst', 'plans', 'webhooks', 'payments', 'search'] as const;

const BENCHMARKS: Readonly<Record<(typeof NAMES)[number], Benchmark>> = {
  orders: benchOrders,
  'hot-sku': benchHotSku,
  stats: benchStats,
  burst: benchBurst,
  plans: benchPlans,
  webhooks: benchWebhooks,
  payments: benchPayments,
  search: benchSearch,
};

const command = defineMeasurement({
  name: 'bench',
  summary:
    'Measures what the system costs, on servers of its own. docs/benchmarks.md explains each benchmark.',
  failed: 'the system did something wrong',
})
  .addArgument(new Argument('[benchmark]', 'which one to run').choices(NAMES).default('orders' as const))
  .option(
    '--seconds <n>',
    'how long one round lasts; each benchmark has its own default',
    wholeNumber(1, 600),
  )
  .option(
    '--rows <n>',
    'how many orders `plans` writes; a million by default',
    wholeNumber(10_000, 10_000_000),
  );

await runMeasurement(command, (run, { seconds, rows }, benchmark) =>
  BENCHMARKS[benchmark]({ ...run, seconds, rows }),
);
