/**
 * Brings orders to a stage, at rest or with a step under way, and sends them commands: from callers, who repeat each until they
 * have a final answer, from operators and from the clock.
 */
import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import type { StepActivities } from '../../activities/order.ts';
import { isRetryable } from '../../client/errors.ts';
import { orderWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';
import { giveUpUpdate, orderQuery, retryNowUpdate, skipStepUpdate } from '../../workflows/messages.ts';
import type { Command, Stage } from '../model/pairs.ts';
import { countEvents } from './history.ts';
import { always, type Interruption, type Interruptions } from './interruptions.ts';
import { startSecondApi } from './second-api.ts';
import type { Answer } from './answer.ts';
import { expectStatus, type Shop } from './shop.ts';
import { isThere } from './refunds.ts';
import { fundedWallet, stockedSku } from './stock.ts';
import type { TestSystem } from './system.ts';
import { until } from './until.ts';

export const WINDOW = 15 * 60_000;
/**
 * For orders that reach their deadline while a step is under way: a workflow's clock cannot be moved then. Long enough for what comes
 * before the deadline, on a busy machine, too.
 */
const SHORT_WINDOW = 10_000;
/** Long enough among many such orders on a busy machine. */
const PATIENCE_MS = 60_000;
/** How long to wait for a command to arrive. A command that waits for its turn in the API never does. */
const ARRIVAL_MS = 1_500;

/** A call to the API, and the final answers that its caller has got. */
export interface Call {
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

export const OPERATIONS: Readonly<Record<Call['command'], string>> = {
  create: 'createOrder',
  pay: 'payOrder',
  cancel: 'cancelOrder',
  refund: 'refundOrder',
};

const call = (command: Call['command'], post: (key: string) => Promise<Answer>): Call => {
  const key = `${command} ${randomUUID()}`;
  return { command, key, send: () => post(key), heard: [] };
};

/** Answers that are not kept under the key: the same request may get another one later. */
const AGAIN: ReadonlySet<string> = new Set(['idempotency_in_progress', 'order_busy', 'refund_pending']);

/** Sends the same key until there is a final answer, as callers do. */
export function ask(its: Call): Promise<Answer> {
  return until(
    `a final answer to ${its.command}`,
    async () => {
      const answer = await its.send();
      const { code, stage } = knownBody.parse(answer.body);
      if (answer.status >= 500 || AGAIN.has(code)) return undefined;
      its.heard.push({ status: answer.status, code, stage });
      return answer;
    },
    PATIENCE_MS,
  );
}

export interface StagedOrder {
  id: string;
  wallet: string;
  shop: Shop;
  deadline: number;
  /** Every call, including those before the two commands. */
  calls: Call[];
  /** Lets the step under way go on. */
  letGo: () => void;
  /** To be awaited in the end. */
  pending: Promise<unknown>[];
}

/** How a step is held up: it fails until it is let go, or it commits at once and its answer is lost. */
const HELD = {
  'not made yet': 'fails before it is sent',
  'made, but its answer was lost': 'commits but loses its answer',
} as const satisfies Record<string, Interruption>;
export type Held = keyof typeof HELD;

function callOf({ id, shop }: StagedOrder, command: 'pay' | 'cancel' | 'refund'): Call {
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

/** An operator's command may be refused, or find no workflow: then it has done nothing. */
async function byHand(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    // A workflow that ends in this very moment may drop the command, and then says that it may be sent again.
    if (isRetryable(error)) return byHand(act);
    if (!(error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError)) throw error;
  }
}

const ended = (workflow: WorkflowHandle): Promise<unknown> => workflow.result().catch(() => {});

export interface StagedOrders {
  /** A new order in this stage. A step under way is held up in this way until the order is let go. */
  orderIn: (stage: Stage, held: Held | null, isHasty: boolean) => Promise<StagedOrder>;
  /** Sends a command and resolves once it has arrived, answered or not. */
  send: (order: StagedOrder, stage: Stage, command: Command) => Promise<void>;
}

/** Call at the top of a file. The worker must use the database of the interruptions. */
export function stagedOrders(system: TestSystem, { interrupt }: Interruptions): StagedOrders {
  const { client, clock, sql } = system;
  const atRest = { usual: system.shop, hasty: startSecondApi(system, SHORT_WINDOW) };
  // An API that waits for held reservations admits few other orders.
  const held = { usual: startSecondApi(system, WINDOW), hasty: startSecondApi(system, SHORT_WINDOW) };

  function hold(order: StagedOrder, step: keyof StepActivities, id: string, how: Held): Promise<true> {
    const plan = interrupt(step, id, always(HELD[how]));
    order.letGo = () => plan.stop();
    const isHeld = async () => plan.happened() >= 2;
    return until(`the fallback of ${step}`, isHeld, PATIENCE_MS);
  }

  async function orderIn(stage: Stage, how: Held | null, isHasty: boolean): Promise<StagedOrder> {
    const [sku, wallet] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 5_000 }),
    ]);
    const shop = (stage === 'reserving' ? held : atRest)[isHasty ? 'hasty' : 'usual'];
    const order: StagedOrder = {
      id: '',
      wallet,
      shop,
      deadline: 0,
      calls: [],
      letGo: () => {},
      pending: [],
    };
    const creating = call('create', (key) => shop.order(wallet, [{ sku, quantity: 1 }], {}, { key }));
    order.calls.push(creating);

    if (stage === 'reserving') {
      const isHeld = hold(order, 'reserve', wallet, how ?? 'not made yet');
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
        const isHeld = hold(order, command, order.id, how ?? 'not made yet');
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

  async function passDeadline({ id, deadline }: StagedOrder, stage: Stage): Promise<void> {
    if (stage === 'awaiting_payment') return clock.forward(orderWorkflowId(id), WINDOW);
    await until('the deadline', async () => Date.now() > deadline, 2 * SHORT_WINDOW);
  }

  async function send(order: StagedOrder, stage: Stage, command: Command): Promise<void> {
    const held = stage === 'refunding' ? order.calls.find((its) => its.command === 'refund') : undefined;
    const workflowId =
      held && command !== 'pay' && command !== 'cancel'
        ? refundWorkflowId(order.id, await commandOf(held))
        : orderWorkflowId(order.id);
    const workflow = client.workflow.getHandle(workflowId);
    const isHeld = stage === 'reserving' || stage === 'paying' || stage === 'refunding';
    const accepted = isHeld ? await countAccepted(workflowId) : 0;
    let hasArrived = async () => (await countAccepted(workflowId)) > accepted;
    let sent: Promise<unknown>;
    switch (command) {
      case 'pay':
      case 'cancel':
      case 'refund': {
        const its = callOf(order, command);
        order.calls.push(its);
        sent = ask(its);
        // It begins a workflow of its own.
        if (held && command === 'refund')
          hasArrived = async () => isThere(client, refundWorkflowId(order.id, await commandOf(its)));
        break;
      }
      case 'expiry':
        // An order that is due ends, one way or the other. Until then nothing of this has arrived.
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
    // With a step under way the answer must wait, but a command that arrives is accepted within a task, or answered.
    if (isHeld) await arrival(hasArrived, sent);
  }

  const countAccepted = (workflowId: string) =>
    countEvents(client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes');

  /** The id that the API gave a command. */
  const commandOf = ({ command, key }: Call): Promise<string> =>
    until(`the id of ${command}`, async () => {
      const [row] = await sql<{ id: string }[]>`
        select command_id as id from idempotency_key where operation = ${OPERATIONS[command]} and key = ${key}
      `;
      return row?.id;
    });

  /** Resolves when the command has arrived at its workflow, when it is answered, or when patience ends. */
  async function arrival(hasArrived: () => Promise<boolean>, sent: Promise<unknown>): Promise<void> {
    let isAnswered = false;
    const answered = sent.then(() => {
      isAnswered = true;
    });
    const arrived = until('a command to arrive', async () => isAnswered || hasArrived(), ARRIVAL_MS);
    await Promise.race([answered, arrived.catch(() => {})]);
  }

  return { orderIn, send };
}
