/** The verbs of `npm run ops -- orders` that read: they find orders and show them. */
import { Option } from '@commander-js/extra-typings';
import { toVerb, type Verb } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';
import { ATTENTION_REASONS, type AttentionReason } from '../../domain/attention.ts';
import { RESTING_STAGES, type RestingStage } from '../../domain/stages.ts';
import type { Holdfast } from '@holdfast/client';
import { calling, type OpenShop } from './connection.ts';
import { describeMark, describeOrder } from './describe.ts';
import { defineReading } from './options.ts';
import { showOrder } from './show-order.ts';

const PAGE = 100;

const find = () =>
  defineReading({
    name: 'find',
    summary:
      'Lists what needs a person, oldest first; or, with a stage, a buyer or a reference, the orders that have them, newest first.',
  })
    .addOption(new Option('--stage <stage>', 'orders that rest in this stage').choices(RESTING_STAGES))
    .option('--buyer <id>', 'orders of this buyer')
    .option('--reference <text>', 'orders that have this reference')
    .addOption(
      new Option('--reason-code <reason>', 'only those that need a person because of this').choices(
        ATTENTION_REASONS,
      ),
    )
    .option('--limit <count>', 'how many at most', wholeNumber(1, 10_000), 50);

const show = () =>
  defineReading({
    name: 'show',
    summary:
      'Shows an order with its payments, refunds and events, what is wrong with it, and what people did.',
  }).argument('<order>', 'its id');

export const findingVerbsOfOrders = (openShop: OpenShop): Verb[] => [
  toVerb(find(), ({ shop, ...asked }) => calling(() => list(openShop(shop), asked))),
  toVerb(show(), ({ shop }, id) => calling(() => showOrder(openShop(shop), id))),
];

interface Asked {
  stage?: RestingStage | undefined;
  buyer?: string | undefined;
  reference?: string | undefined;
  reasonCode?: AttentionReason | undefined;
  limit: number;
}

async function list(holdfast: Holdfast, asked: Asked): Promise<void> {
  let found = 0;
  for await (const line of linesOf(holdfast, asked)) {
    console.log(line);
    found += 1;
    if (found === asked.limit) return console.log(`--limit ${asked.limit} was reached: there may be more.`);
  }
  if (found === 0) console.log('There are none.');
}

async function* linesOf(holdfast: Holdfast, asked: Asked): AsyncGenerator<string> {
  const { stage, buyer, reference, reasonCode } = asked;
  if (stage === undefined && buyer === undefined && reference === undefined) {
    for await (const mark of holdfast.iterateAttention({ limit: PAGE }))
      if (reasonCode === undefined || mark.reason === reasonCode) yield describeMark(mark);
    return;
  }
  const query = {
    limit: PAGE,
    ...(stage !== undefined && { stage }),
    ...(buyer !== undefined && { buyerId: buyer }),
    ...(reference !== undefined && { reference }),
  };
  for await (const order of holdfast.iterateOrders(query))
    if (reasonCode === undefined || order.attention?.reason === reasonCode) yield describeOrder(order);
}
