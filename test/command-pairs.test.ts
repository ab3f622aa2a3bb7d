/**
 * Each two commands to one order, in each stage: at rest, with a step under way, and with a step that has committed while nobody
 * has heard of it. Then everything that callers heard is lost, the order's workflow knows nothing of its commands, and they are
 * sent again the other way round. In the end each caller knows what the database recorded of his command, and no more.
 */
import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { pino } from 'pino';
import { z } from 'zod';
import { createApi } from '../api/app.ts';
import { openTemporal } from '../api/orchestration.ts';
import type { StepActivities } from '../activities/index.ts';
import {
  giveUpUpdate,
  orderQuery,
  orderWorkflowId,
  refundWorkflowId,
  retryNowUpdate,
  skipStepUpdate,
} from '../workflows/contract.ts';
import { COMMANDS_IN, STAGES, endsOf, type Command, type Stage } from './model/pairs.ts';
import { expectRulesHold } from './support/database.ts';
import { untilEvents } from './support/history.ts';
import { always, interruptions, type Interruption } from './support/interruptions.ts';
import { completedTasks, reset } from './support/resets.ts';
import { Shop, expectStatus, type Answer } from './support/shop.ts';
import { fundedWallet, stockedSku } from './support/stock.ts';
import { startSystem } from './support/system.ts';
import { until } from './support/until.ts';

const WINDOW = 15 * 60_000;
/** Of orders that reach their deadline while a step is under way: a workflow's clock cannot be moved then. */
const SHORT_WINDOW = 6_000;

const { between, interrupt } = interruptions();
const system = await startSystem({ paymentWindow: WINDOW, workerDatabase: between });
const { client, clock, sql, database, taskQueue } = system;

const temporal = openTemporal({ address: inject('temporalAddress'), namespace: 'default', taskQueue });
afterAll(() => temporal.close());
const hasty = createApi({
  database,
  temporal,
  logger: pino({ level: 'silent' }),
  paymentWindow: SHORT_WINDOW,
  attentionAfter: 120_000,
});
const hastyShop = new Shop((path, init) => hasty.request(path, init));

/** A call of the API, and the final answers that its caller got. */
interface Call {
  command: 'create' | 'pay' | 'cancel' | 'refund';
  key: string;
  send: () => Promise<Answer>;
  heard: Heard[];
}

interface Heard {
  status: number;
  code: string;
  stage: string;
}

const knownBody = z.object({
  code: z.string().default(''),
  stage: z.string().default(''),
  id: z.string().default(''),
  paymentDeadline: z.string().default(''),
});

const OPERATIONS: Readonly<Record<Call['command'], string>> = {
  create: 'createOrder',
  pay: 'payOrder',
  cancel: 'cancelOrder',
  refund: 'refundOrder',
};

const call = (command: Call['command'], post: (key: string) => Promise<Answer>): Call => {
  const key = `${command} ${randomUUID()}`;
  return { command, key, send: () => post(key), heard: [] };
};

/** What is kept under no key: the same request may be answered otherwise later. */
const AGAIN: ReadonlySet<string> = new Set(['idempotency_in_progress', 'order_busy', 'refund_pending']);

/** As callers do: the same key until there is a final answer. */
function ask(its: Call): Promise<Answer> {
  return until(
    `a final answer to ${its.command}`,
    async () => {
      const answer = await its.send();
      const { code, stage } = knownBody.parse(answer.body);
      if (answer.status >= 500 || AGAIN.has(code)) return undefined;
      its.heard.push({ status: answer.status, code, stage });
      return answer;
    },
    40_000,
  );
}

interface Order {
  id: string;
  wallet: string;
  shop: Shop;
  deadline: number;
  /** Every call that was sent, also before the two commands. */
  calls: Call[];
  /** Lets the step go on that is under way. */
  letGo: () => void;
  /** What is waited for in the end. */
  pending: Promise<unknown>[];
}

/** A step that is held up: it fails until it is let go; or it commits at once, and nobody hears of it. */
const HELD = {
  'not made yet': 'fails before it is sent',
  'made, and nobody heard of it': 'commits unheard',
} as const satisfies Record<string, Interruption>;
type Held = keyof typeof HELD;

function hold(order: Order, step: keyof StepActivities, id: string, how: Held): Promise<true> {
  const plan = interrupt(step, id, always(HELD[how]));
  order.letGo = () => plan.stop();
  return until(`the fallback of ${step}`, async () => (plan.happened() >= 2 ? true : undefined));
}

async function orderIn(stage: Stage, held: Held | null, isHasty: boolean): Promise<Order> {
  const [sku, wallet] = await Promise.all([
    stockedSku(sql, { onHand: 10 }),
    fundedWallet(sql, { funds: 5_000 }),
  ]);
  const shop = isHasty ? hastyShop : system.shop;
  const order: Order = { id: '', wallet, shop, deadline: 0, calls: [], letGo: () => {}, pending: [] };
  const creating = call('create', (key) => shop.order(wallet, [{ sku, quantity: 1 }], {}, { key }));
  order.calls.push(creating);

  if (stage === 'reserving') {
    const isHeld = hold(order, 'reserve', wallet, held ?? 'not made yet');
    order.pending.push(ask(creating));
    order.id = await until('the id of an order', async () => {
      const [row] = await sql<{ id: string }[]>`
        select command_id as id from idempotency_key where operation = 'createOrder' and key = ${creating.key}
      `;
      return row?.id;
    });
    await isHeld;
    const { deadline } = await client.workflow.getHandle(orderWorkflowId(order.id)).query(orderQuery);
    order.deadline = Date.parse(deadline);
    return order;
  }

  const { id, paymentDeadline } = knownBody.parse(expectStatus(await ask(creating), 201).body);
  order.id = id;
  order.deadline = Date.parse(paymentDeadline);
  const begin = async (command: 'pay' | 'cancel' | 'refund'): Promise<void> => {
    const its = callOf(order, command);
    order.calls.push(its);
    expectStatus(await ask(its), 200);
  };
  switch (stage) {
    case 'awaiting_payment':
      break;
    case 'paying':
    case 'refunding': {
      const command = stage === 'paying' ? 'pay' : 'refund';
      if (command === 'refund') await begin('pay');
      const isHeld = hold(order, command, order.id, held ?? 'not made yet');
      const its = callOf(order, command);
      order.calls.push(its);
      order.pending.push(ask(its));
      await isHeld;
      break;
    }
    case 'paid':
      await begin('pay');
      break;
    case 'refunded':
      await begin('pay');
      await begin('refund');
      break;
    case 'cancelled':
      await begin('cancel');
      break;
    case 'expired':
      await clock.forward(orderWorkflowId(order.id), WINDOW);
      await client.workflow.getHandle(orderWorkflowId(order.id)).result();
      break;
  }
  return order;
}

function callOf({ id, shop }: Order, command: 'pay' | 'cancel' | 'refund'): Call {
  switch (command) {
    case 'pay':
      return call(command, (key) => shop.pay(id, { key }));
    case 'cancel':
      return call(command, (key) => shop.cancel(id, 'changed my mind', { key }));
    case 'refund':
      return call(command, (key) => shop.refund(id, true, { key }));
  }
}

const BY_HAND = { actor: 'dana', reason: 'a test' };

/** What an operator sends may be refused, or find no workflow: then it has done nothing. */
async function byHand(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError)) throw error;
  }
}

const ended = (workflow: WorkflowHandle): Promise<unknown> => workflow.result().catch(() => {});

async function passDeadline({ id, deadline }: Order, stage: Stage): Promise<void> {
  if (stage === 'awaiting_payment') return clock.forward(orderWorkflowId(id), WINDOW);
  await until('the deadline', async () => (Date.now() > deadline ? true : undefined), 2 * SHORT_WINDOW);
}

/** Sends a command and resolves once it has arrived, which is not to say answered. */
async function send(order: Order, stage: Stage, command: Command): Promise<void> {
  const workflowId =
    stage === 'refunding' && command !== 'pay' && command !== 'cancel'
      ? refundWorkflowId(order.id)
      : orderWorkflowId(order.id);
  const workflow = client.workflow.getHandle(workflowId);
  let sent: Promise<unknown>;
  switch (command) {
    case 'pay':
    case 'cancel':
    case 'refund': {
      const its = callOf(order, command);
      order.calls.push(its);
      sent = ask(its);
      break;
    }
    case 'expiry':
      // An order that is due ends, one way or the other. Before it was, nothing of this has arrived.
      await passDeadline(order, stage);
      sent = ended(workflow);
      break;
    case 'retryNow':
      sent = byHand(() => workflow.executeUpdate(retryNowUpdate, { args: [BY_HAND] }));
      break;
    case 'skipStep':
      sent = byHand(() =>
        workflow.executeUpdate(skipStepUpdate, {
          args: [{ ...BY_HAND, step: stage === 'refunding' ? 'refund' : 'pay' }],
        }),
      );
      break;
    case 'giveUp':
      sent = byHand(() => workflow.executeUpdate(giveUpUpdate, { args: [BY_HAND] }));
      break;
    case 'Cancel in Temporal':
      await byHand(() => workflow.cancel());
      sent = ended(workflow);
      break;
  }
  order.pending.push(sent);
  if (command === 'expiry' || command === 'Cancel in Temporal') return;
  // With a step under way its answer has to wait; what arrives is accepted within a task, or answered.
  const isHeld = stage === 'reserving' || stage === 'paying' || stage === 'refunding';
  if (isHeld) await Promise.race([sent, accepted(order, workflowId)]);
}

/** How many updates each order's workflow has accepted when the last command was sent. */
const acceptedBefore = new Map<string, number>();

async function accepted({ id }: Order, workflowId: string): Promise<void> {
  const count = (acceptedBefore.get(id) ?? 1) + 1;
  await untilEvents(client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', count).catch(
    () => {},
  );
  acceptedBefore.set(id, count);
}

interface Recorded {
  stage: string;
  /** The commands that moved the order, by id. */
  moved: Map<string, string>;
}

async function recordOf(orderId: string): Promise<Recorded> {
  const events = await sql<{ stage: string; commandId: string | null }[]>`
    select stage, command_id as "commandId" from order_event where order_id = ${orderId} order by version
  `;
  const moved = new Map(events.flatMap(({ stage, commandId }) => (commandId ? [[commandId, stage]] : [])));
  return { stage: events.at(-1)?.stage ?? 'none', moved };
}

async function commandIdOf({ command, key }: Call): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select command_id as id from idempotency_key where operation = ${OPERATIONS[command]} and key = ${key}
  `;
  return row?.id ?? '';
}

const STAGES_TOLD: Readonly<Record<Call['command'], readonly string[]>> = {
  create: ['awaiting_payment', 'paid', 'cancelled', 'expired', 'refunded'],
  pay: ['paid', 'refunded'],
  cancel: ['cancelled', 'refunded'],
  refund: ['refunded'],
};

/** The refusals that fit how an order ended. */
const REFUSALS: Readonly<Record<string, readonly string[]>> = {
  'pay awaiting_payment': ['order_not_payable'],
  'pay paid': ['order_not_payable', 'order_expired'],
  'pay refunded': ['order_not_payable', 'order_cancelled', 'order_expired'],
  'pay cancelled': ['order_cancelled', 'order_not_payable'],
  'pay expired': ['order_expired', 'order_not_payable'],
  'cancel paid': ['order_expired'],
  'cancel refunded': ['order_cancelled', 'order_not_cancellable', 'order_expired'],
  'cancel cancelled': ['order_cancelled'],
  'cancel expired': ['order_expired'],
  'create cancelled': ['order_cancelled'],
};

/** What is untrue of what callers heard, in words. */
async function liesIn(order: Order): Promise<string[]> {
  const { stage, moved } = await recordOf(order.id);
  const lies: string[] = [];
  for (const its of order.calls) {
    const hadEffect = moved.get(await commandIdOf(its));
    for (const { status, code, stage: told } of its.heard) {
      const answer = `${its.command} heard ${status} ${code || told}`;
      if (status >= 500) lies.push(`${answer}, which says nothing`);
      else if (status >= 400) {
        if (hadEffect !== undefined) lies.push(`${answer}, and its command made the order ${hadEffect}`);
        const fitting =
          its.command === 'refund'
            ? ['order_not_refundable', 'not_found']
            : (REFUSALS[`${its.command} ${stage}`] ?? []);
        if (!fitting.includes(code)) lies.push(`${answer}, and the order is ${stage}`);
      } else {
        if (its.command !== 'create' && hadEffect === undefined)
          lies.push(`${answer}, and its command is not recorded`);
        if (!STAGES_TOLD[its.command].includes(told)) lies.push(`${answer}, which is no success`);
      }
    }
    const [first, ...others] = its.heard.map(({ status, code }) => `${status} ${code}`);
    const different = others.find((other) => other !== first);
    if (different !== undefined) lies.push(`${its.command} heard ${String(first)} and then ${different}`);
  }
  return lies;
}

/**
 * The answers to all commands are lost, and the workflow knows nothing of what it was told since its reservation. A caller who
 * heard that he was refused has heard nothing, and may have his way when he asks again; one who heard of success hears of it again.
 */
async function loseEverything({ id, calls }: Order): Promise<void> {
  for (const its of calls.filter(({ command }) => command !== 'create')) {
    await sql`
      update idempotency_key set response_status = null, response_body = null, claimed_until = now()
      where operation = ${OPERATIONS[its.command]} and key = ${its.key}
    `;
    its.heard = its.heard.filter(({ status }) => status < 300);
  }
  const [task] = await completedTasks(client, orderWorkflowId(id));
  if (task) await reset(client, task, 'is told no command again');
}

/** All of its cases at once: orders of their own, each in its turn. */
const AT_ONCE = 8;

interface Case {
  held: Held | null;
  first: Command;
  second: Command;
  /** When what was heard is lost: after the first command, or after both. */
  lost: 'after the first' | 'after both';
}

const BY_HAND_ONLY: readonly Command[] = ['retryNow', 'skipStep'];
const RESTING: readonly Stage[] = ['awaiting_payment', 'paid'];

function casesIn(stage: Stage): Case[] {
  const commands = COMMANDS_IN[stage];
  const isHeld = stage === 'reserving' || stage === 'paying' || stage === 'refunding';
  const ways: readonly Pick<Case, 'held' | 'lost'>[] = isHeld
    ? [
        { held: 'not made yet', lost: 'after both' },
        { held: 'made, and nobody heard of it', lost: 'after both' },
      ]
    : [
        { held: null, lost: 'after both' },
        ...(RESTING.includes(stage) ? [{ held: null, lost: 'after the first' } as const] : []),
      ];
  return ways.flatMap((way) => {
    // A step that was made needs no hand of an operator.
    const isMade = way.held === 'made, and nobody heard of it';
    const tried = commands.filter((command) => !(isMade && BY_HAND_ONLY.includes(command)));
    return tried.flatMap((first) =>
      tried
        // Time passes once.
        .filter((second) => !(first === 'expiry' && second === 'expiry'))
        .map((second) => ({ ...way, first, second })),
    );
  });
}

/** The ends that the model allows; of a step that was made already, as if it had been made before. */
function allowedEnds(stage: Stage, { held, first, second }: Case): Set<string> {
  const isMade = held === 'made, and nobody heard of it';
  const seen: Stage[] = isMade && stage === 'paying' ? ['paying', 'paid'] : [stage];
  // At rest nobody says which of the two comes first, and the second may be under way before the first is answered.
  const orders = [[first, second], ...(stage === 'awaiting_payment' ? [[second, first]] : [])];
  return new Set(seen.flatMap((begin) => orders.flatMap((commands) => [...endsOf(begin, commands)])));
}

/** Where an order may have got to when all commands were sent again. What is cancelled in Temporal, a reset does not forget. */
function reachable(end: string, { first, second }: Case): ReadonlySet<string> {
  const begin = STAGES.find((stage) => stage === end);
  const again = [second, first].map((command) => (command === 'Cancel in Temporal' ? 'cancel' : command));
  return begin === undefined ? new Set() : endsOf(begin, again);
}

async function play(stage: Stage, its: Case): Promise<string[]> {
  const { held, first, second, lost } = its;
  const isHasty = held !== null && (first === 'expiry' || second === 'expiry');
  const order = await orderIn(stage, held, isHasty);
  acceptedBefore.set(order.id, stage === 'paying' ? 2 : 1);
  await send(order, stage, first);
  if (lost === 'after the first') {
    await Promise.all(order.pending);
    await loseEverything(order);
  }
  await send(order, stage, second);
  order.letGo();
  await Promise.all(order.pending);
  const wrong = (await liesIn(order)).map((lie) => `${lie} (the first time)`);

  const { stage: end } = await recordOf(order.id);
  const allowed = allowedEnds(stage, its);
  // After a reset, what is sent to an ended workflow reaches one that runs again.
  const isLost = lost === 'after the first' && reachable(stage, its).has(end);
  if (!allowed.has(end) && !isLost)
    wrong.push(`the order ended as ${end}, and not as ${[...allowed].join(' or ')}`);

  await loseEverything(order);
  for (const asked of order.calls.toReversed()) await ask(asked);
  wrong.push(...(await liesIn(order)));
  const { stage: after } = await recordOf(order.id);
  if (after !== end && !reachable(end, its).has(after))
    wrong.push(`the order was ${end} and became ${after}`);
  return wrong.map(
    (lie) => `${first}, then ${second}${held === null ? '' : `, the step ${held}`}, lost ${lost}: ${lie}`,
  );
}

/** Runs the cases of a stage side by side and returns everything that was wrong, a failure of the test itself too. */
async function playAll(stage: Stage): Promise<string[]> {
  const waiting = casesIn(stage);
  const wrong: string[] = [];
  const player = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const its = next;
      try {
        wrong.push(...(await play(stage, its)));
      } catch (error) {
        wrong.push(`${its.first}, then ${its.second}, the step ${its.held ?? 'at rest'}: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, player));
  return wrong;
}

describe('each two commands leave every caller with the truth, also when all answers are lost', () => {
  test.concurrent.each(STAGES)(
    'to an order that is %s',
    async (stage) => {
      expect(await playAll(stage)).toEqual([]);
      await expectRulesHold(sql);
    },
    240_000,
  );
});
