/** Holds what callers heard against what is recorded. */
import type { Violation } from './figures.ts';
import type { Recorded, RecordedCommand, RecordedOrder } from './recorded.ts';
import type { Deed, Deposit, Heard, Ledger, Story } from './story.ts';

export function checkPromises({ stories, deposits }: Ledger, recorded: Recorded): Violation[] {
  return [
    ...stories.flatMap((story) => checkStory(story, recorded)),
    ...checkStrays(stories, recorded),
    ...checkDeposits(deposits, recorded),
    ...[...recorded.orders.values()].flatMap(checkTimes),
  ];
}

function checkStory(story: Story, recorded: Recorded): Violation[] {
  const subject = `buyer ${story.key}, who ${story.behaviour}`;
  const found: Violation[] = [];
  const breaks = (rule: string, finding: string): void => void found.push({ rule, subject, finding });

  const ids = [...story.orderIds];
  if (ids.length > 1) breaks(ONE_ORDER, `was told of orders ${ids.join(' and ')}`);
  for (const id of ids) {
    if (!recorded.orders.has(id)) breaks(ACKNOWLEDGED, `was told of order ${id}, which is not there`);
    if (recorded.idOfKey.get(story.key) !== id)
      breaks(
        ONE_ORDER,
        `was told of order ${id}, and the key stands for ${recorded.idOfKey.get(story.key) ?? 'none'}`,
      );
  }
  for (const finding of differingAnswers(story.heard)) breaks(SAME_ANSWER, finding);

  const order = recorded.orders.get(recorded.idOfKey.get(story.key) ?? '');
  if (!order) {
    if (story.heard.length > 0) breaks(ACKNOWLEDGED, 'was answered, and the order is not there');
    return found;
  }
  for (const heard of story.heard) {
    if (!isExpected(heard, story))
      breaks(KNOWN_ANSWERS, `${heard.deed} was answered ${inShort(heard)}, and the order is ${order.stage}`);
    const contradiction = contradicts(heard, order);
    if (contradiction !== undefined)
      breaks(KEPT, `${heard.deed} was answered ${inShort(heard)}, but ${contradiction}`);
  }
  for (const heard of story.heard) {
    const lie = lieIn(heard, recorded.commands.get(heard.key));
    if (lie !== undefined) breaks(TRUTH, `${heard.deed} was answered ${inShort(heard)}, but ${lie}`);
  }
  const due = hasSent(story, 'pay') || hasSent(story, 'cancel') ? undefined : 'expired';
  const wasPlaced = story.heard.some(({ deed, status }) => deed === 'create' && status === 201);
  if (wasPlaced && due !== undefined && order.stage !== due)
    breaks(EXPIRES, `never paid nor cancelled, and the order is ${order.stage}`);
  const paid = order.stage === 'paid' || order.stage === 'refunded';
  if (order.payments !== (paid ? 1 : 0))
    breaks(ONE_DEBIT, `the order is ${order.stage} and was paid ${order.payments} times`);
  if (order.payments > 0 && !hasSent(story, 'pay')) breaks(ONE_DEBIT, 'never paid, and was debited');
  return found;
}

const hasSent = ({ sent }: Story, deed: Deed): boolean => sent.some((one) => one.deed === deed);

const ACKNOWLEDGED = 'every acknowledged order is in the database';
const ONE_ORDER = 'every key has one order';
const SAME_ANSWER = 'every answer to one key is the same';
const KEPT = 'what a caller was told is so';
const TRUTH = 'every caller knows what became of its own command';
const KNOWN_ANSWERS = 'callers hear only what the documentation names';
const ONE_DEBIT = 'every debit is one';
const EXPIRES = 'every unpaid order expires at its deadline, and not before';
const ONE_DEPOSIT = 'every deposit is one';

/** What an answer commits the system to. Later reads of the same order may show later stages, so these are left out. */
const essence = ({ status, body }: Heard): string =>
  [status, body.code ?? '', body.id ?? body.orderId ?? ''].join(' ');

function differingAnswers(heard: readonly Heard[]): string[] {
  const first = new Map<string, Heard>();
  return heard.flatMap((answer) => {
    const earlier = first.get(answer.key);
    if (!earlier) first.set(answer.key, answer);
    return !earlier || essence(earlier) === essence(answer)
      ? []
      : [`${answer.deed} was answered ${inShort(earlier)} and ${inShort(answer)}`];
  });
}

const inShort = ({ status, body }: Heard): string => [status, body.code ?? body.stage ?? ''].join(' ');

/** Without faults and with them, these are all that a buyer of ours may hear. */
function isExpected({ deed, status, body: { code = '' } }: Heard, story: Story): boolean {
  if (status === 200 || status === 201) return true;
  const refusals: Record<Deed, readonly string[]> = {
    create: ['out_of_stock', 'insufficient_funds'],
    pay: ['order_expired', 'insufficient_funds', ...(hasSent(story, 'cancel') ? ['order_cancelled'] : [])],
    cancel: ['order_expired'],
    // It is sent once the payment was answered.
    refund: [],
  };
  return refusals[deed].includes(code);
}

const STAGES_AFTER: Readonly<Record<Deed, readonly string[]>> = {
  create: ['paid', 'refunded', 'cancelled', 'expired'],
  pay: ['paid', 'refunded'],
  cancel: ['cancelled', 'refunded'],
  refund: ['refunded'],
};

/**
 * What is untrue of an answer about its own command, and not about the order, which another command may have moved. A success
 * says that this command had its effect; a refusal, that it had none and never will.
 */
function lieIn({ deed, status, body }: Heard, command: RecordedCommand | undefined): string | undefined {
  if (deed === 'create') return undefined;
  if (!command) return 'the key is not there';
  const { effect, kept } = command;
  if (kept !== null && kept !== status) return `the answer that is kept is ${kept}`;
  if (status >= 300) return effect === null ? undefined : `this very command made the order ${effect}`;
  if (effect === null) return 'this command moved no order';
  if (!STAGES_AFTER[deed].includes(effect)) return `this command made the order ${effect}`;
  if (body.stage === undefined || !STAGES_AFTER[deed].includes(body.stage)) return 'that is no success';
  return undefined;
}

const STAGES_AFTER_REFUSAL: Readonly<Record<string, readonly string[]>> = {
  out_of_stock: ['rejected'],
  order_expired: ['expired'],
  order_cancelled: ['cancelled', 'refunded'],
};

function contradicts({ deed, status, body }: Heard, { stage }: RecordedOrder): string | undefined {
  const possible =
    status < 300
      ? STAGES_AFTER[deed]
      : deed === 'create'
        ? ['rejected']
        : STAGES_AFTER_REFUSAL[body.code ?? ''];
  return possible === undefined || possible.includes(stage) ? undefined : `the order is ${stage}`;
}

/** Orders that no caller of ours asked for. */
function checkStrays(stories: readonly Story[], { orders, idOfKey }: Recorded): Violation[] {
  const asked = new Set(stories.map(({ key }) => idOfKey.get(key)));
  return [...orders.keys()]
    .filter((id) => !asked.has(id))
    .map((id) => ({ rule: ONE_ORDER, subject: `order ${id}`, finding: 'belongs to no key' }));
}

function checkDeposits(deposits: readonly Deposit[], recorded: Recorded): Violation[] {
  const heard = Map.groupBy(deposits, ({ walletId }) => walletId);
  return [...heard].flatMap(([walletId, ofWallet]) => {
    const amount = ofWallet.reduce((total, deposit) => total + deposit.amount, 0);
    const found = recorded.deposits.get(walletId) ?? { count: 0, amount: 0 };
    if (found.count === ofWallet.length && found.amount === amount) return [];
    const finding = `${ofWallet.length} deposits of ${amount} in all were answered, and ${found.count} of ${found.amount} are there`;
    return [{ rule: ONE_DEPOSIT, subject: `wallet ${walletId}`, finding }];
  });
}

function checkTimes({ id, deadline, paidAt, expiredAt }: RecordedOrder): Violation[] {
  const subject = `order ${id}`;
  const due = deadline.toISOString();
  const found: Violation[] = [];
  if (paidAt && paidAt >= deadline)
    found.push({ rule: EXPIRES, subject, finding: `due ${due}, paid ${paidAt.toISOString()}` });
  if (expiredAt && expiredAt < deadline)
    found.push({ rule: EXPIRES, subject, finding: `due ${due}, expired ${expiredAt.toISOString()}` });
  return found;
}
