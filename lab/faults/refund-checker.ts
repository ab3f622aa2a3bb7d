/** Checks the refunds of a buyer's order: what is recorded is what was asked for, and each answer is true of its own refund. */
import type { RefundOrder } from '../../api/client.ts';
import { sum } from '../harness/statistics.ts';
import type { BuyerHistory, Heard } from './history.ts';
import type { RecordedOrder } from './recorded.ts';
import type { RecordedRefund } from './recorded-refunds.ts';

/** The rule that is broken, and how. */
export type Finding = readonly [rule: string, finding: string];

const AT_MOST_TAKEN = 'no more is refunded than was taken';
const ONE_REFUND = 'every refund is made once, and no other';
const AS_ASKED = 'every refund is of what its caller asked for';
const TRUTH = 'every caller knows the outcome of its own refund';

export function checkRefunds(
  { sent, heard }: BuyerHistory,
  order: RecordedOrder,
  refunds: readonly RecordedRefund[],
): Finding[] {
  const asked = new Map(sent.map(({ request, refund }) => [request.key, refund]));
  return [
    ...checkSums(order, refunds),
    ...refunds.flatMap((refund) =>
      checkRefund(refund, asked.get(refund.key ?? ''), heard, order.taken - givenUntil(refund, refunds)),
    ),
    ...heard.flatMap((answer) => {
      const finding = findLie(answer, asked.get(answer.key), order, refunds);
      return finding === undefined
        ? []
        : [
            [
              TRUTH,
              `${answer.key} was answered ${answer.body.code ?? answer.status}, but ${finding}`,
            ] as const,
          ];
    }),
  ];
}

function checkSums({ taken, refunded, lines }: RecordedOrder, refunds: readonly RecordedRefund[]): Finding[] {
  const found: Finding[] = [];
  const given = sum(refunds.map((refund) => refund.given));
  if (given > taken) found.push([AT_MOST_TAKEN, `${taken} were taken, and ${given} given back`]);
  if (given !== refunded)
    found.push([ONE_REFUND, `${given} were given back, and the order says ${refunded}`]);
  for (const { sku, quantity, refunded: units } of lines) {
    const of = sum(
      refunds.flatMap((refund) => refund.lines).map((line) => (line.sku === sku ? line.quantity : 0)),
    );
    if (of > quantity) found.push([AT_MOST_TAKEN, `${of} of ${quantity} units of ${sku} were refunded`]);
    if (of !== units)
      found.push([ONE_REFUND, `${of} units of ${sku} were refunded, and its line says ${units}`]);
  }
  return found;
}

function checkRefund(
  refund: RecordedRefund,
  asked: RefundOrder | undefined,
  heard: readonly Heard[],
  left: number,
): Finding[] {
  const { key, amount, given } = refund;
  const name = key ?? 'no command';
  if (asked === undefined) return [[ONE_REFUND, `a refund of ${amount} is recorded for ${name}`]];
  const found: Finding[] = [];
  if (given !== amount)
    found.push([ONE_REFUND, `${name} is recorded with ${amount}, and gave back ${given}`]);
  if (!heard.some((answer) => answer.key === key && answer.status === 200))
    found.push([ONE_REFUND, `${name} was made, and its caller never heard of it`]);
  const difference = compare(refund, asked, left);
  if (difference !== undefined) found.push([AS_ASKED, `${name} ${difference}`]);
  return found;
}

/** The money that was given back by this refund and those before it. */
const givenUntil = ({ version }: RecordedRefund, refunds: readonly RecordedRefund[]): number =>
  sum(refunds.filter((each) => each.version <= version).map(({ amount }) => amount));

/** How a refund differs from what was asked for. @param left of the payment after it. */
function compare({ amount, lines }: RecordedRefund, asked: RefundOrder, left: number): string | undefined {
  if ('amount' in asked)
    return amount === asked.amount && lines.length === 0
      ? undefined
      : `asked for ${asked.amount}, and ${amount} with ${describe(lines)} is recorded`;
  if ('restock' in asked) {
    const isWrong = lines.some(({ quantity, returned }) => returned !== (asked.restock ? quantity : 0));
    if (isWrong)
      return `asked ${asked.restock ? 'to put' : 'not to put'} units back, and ${describe(lines)} is recorded`;
    return left === 0 ? undefined : `asked for all that was left, and left ${left}`;
  }
  const wanted = asked.lines.map(({ sku, quantity, restock }) => ({
    sku,
    quantity,
    returned: restock ? quantity : 0,
  }));
  return describe(wanted) === describe(lines)
    ? undefined
    : `asked for ${describe(wanted)}, and ${describe(lines)} is recorded`;
}

const describe = (lines: RecordedRefund['lines']): string =>
  lines.length === 0
    ? 'no units'
    : lines
        .map(({ sku, quantity, returned }) => `${quantity} ${sku} (${returned} back on hand)`)
        .sort()
        .join(', ');

/** What is untrue of an answer about its own refund, whatever others did to the order. */
function findLie(
  { operation, key, status, body }: Heard,
  asked: RefundOrder | undefined,
  order: RecordedOrder,
  refunds: readonly RecordedRefund[],
): string | undefined {
  if (operation !== 'refund' || asked === undefined) return undefined;
  const own = refunds.filter((refund) => refund.key === key);
  if (status === 200) {
    const [refund] = own;
    if (own.length !== 1 || refund === undefined) return `it is recorded ${own.length} times`;
    const until = givenUntil(refund, refunds);
    const shown = body.refunded ?? 0;
    return shown < until || shown > order.refunded
      ? `it shows ${shown} as refunded, and ${until} were with it`
      : undefined;
  }
  if (own.length > 0) return `it is recorded ${own.length} times`;
  return isStillPossible(body.code, asked, order) ? 'that much is left even now' : undefined;
}

/** Ever less is left: what fits in the end did so when it was refused. */
function isStillPossible(
  code: string | undefined,
  asked: RefundOrder,
  { taken, refunded, lines }: RecordedOrder,
): boolean {
  if (code === 'refund_exceeds_payment') return 'amount' in asked && asked.amount <= taken - refunded;
  if (code === 'order_not_refundable') return refunded < taken;
  if (code !== 'refund_exceeds_units' || !('lines' in asked)) return false;
  const left = new Map(lines.map((line) => [line.sku, line.quantity - line.refunded]));
  return asked.lines.every(({ sku, quantity }) => quantity <= (left.get(sku) ?? 0));
}
