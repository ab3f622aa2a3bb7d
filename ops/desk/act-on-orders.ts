/** The verbs of `npm run ops -- orders` that change something. */
import { Option } from '@commander-js/extra-typings';
import { toVerb, type Verb } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';
import { STEPS } from '../../domain/order.ts';
import { OWED_OUTCOMES, PAYMENT_OUTCOMES } from '../../domain/payments.ts';
import type { Intervene } from '@holdfast/client';
import { calling, type OpenShop } from './connection.ts';
import { describeOrder, describeOutcome, describePayment } from './describe.ts';
import { defineAct, extension, sign, signReason } from './options.ts';

const retry = () =>
  defineAct({ name: 'retry', summary: 'Tries the failing step of an order again at once.' })
    .argument('<order>', 'its id')
    .option(
      '--workflow <id>',
      'that of the order, of a refund or of a payment; without it, the one that the oldest mark names',
    );

const skip = () =>
  defineAct({
    name: 'skip',
    summary: 'Skips a payment that keeps failing: no money moves, and the buyer may pay again.',
  })
    .argument('<order>', 'its id')
    .addOption(new Option('--step <step>', 'the step that fails').choices(STEPS).default('pay' as const));

const extend = () =>
  defineAct({ name: 'extend', summary: 'Puts the deadline of an order off that awaits payment.' })
    .argument('<order>', 'its id')
    .requiredOption('--by <duration>', 'by how much, such as 1h; to at most 7 days ahead', extension);

const giveUp = () =>
  defineAct({
    name: 'give-up',
    summary: 'Ends an unpaid order: releases what it holds, and refunds what turns out to be paid.',
  }).argument('<order>', 'its id');

const cancel = () =>
  defineAct({
    name: 'cancel',
    summary: 'Cancels an order. A paid order is refunded, and its units go back on hand.',
  }).argument('<order>', 'its id');

const refund = () =>
  defineAct({ name: 'refund', summary: 'Refunds what is left of a paid order, or an amount.' })
    .argument('<order>', 'its id')
    .option('--amount <amount>', 'in minor units', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--restock', 'puts the units that are left back on hand').conflicts('amount'));

const resolve = () =>
  defineAct({
    name: 'resolve',
    summary: 'Says how a payment stands that stays unknown, or what becomes of money that is owed of it.',
  })
    .argument('<payment>', 'its id')
    .addOption(
      new Option('--outcome <outcome>', 'how it stands at its provider, or what was decided')
        .choices([...PAYMENT_OUTCOMES, ...OWED_OUTCOMES])
        .makeOptionMandatory(),
    );

export function actingVerbsOfOrders(openShop: OpenShop): Verb[] {
  const intervene = (shop: string | undefined, id: string, act: Intervene): Promise<void> =>
    calling(async () => console.log(describeOutcome(id, await openShop(shop).intervene(id, act))));

  return [
    toVerb(retry(), ({ shop, workflow, ...by }, id) =>
      intervene(shop, id, {
        action: 'retry_now',
        ...sign(by),
        ...(workflow !== undefined && { workflowId: workflow }),
      }),
    ),
    toVerb(skip(), ({ shop, step, ...by }, id) =>
      intervene(shop, id, { action: 'skip_step', ...sign(by), step }),
    ),
    toVerb(extend(), ({ shop, by: extendBySeconds, ...by }, id) =>
      intervene(shop, id, { action: 'extend_deadline', ...sign(by), extendBySeconds }),
    ),
    toVerb(giveUp(), ({ shop, ...by }, id) => intervene(shop, id, { action: 'give_up', ...sign(by) })),
    toVerb(cancel(), ({ shop, ...by }, id) =>
      calling(async () => {
        console.log(describeOrder(await openShop(shop).cancelOrder(id, { reason: signReason(by) })));
      }),
    ),
    toVerb(refund(), ({ shop, amount, restock = false, ...by }, id) =>
      calling(async () => {
        const reason = signReason(by);
        const body = amount === undefined ? { reason, restock } : { reason, amount };
        console.log(describeOrder(await openShop(shop).refundOrder(id, body)));
      }),
    ),
    toVerb(resolve(), ({ shop, outcome, ...by }, id) =>
      calling(async () => {
        console.log(describePayment(await openShop(shop).resolvePayment(id, { ...sign(by), outcome })));
      }),
    ),
  ];
}
