/**
 * Each two commands to one order, in each stage: at rest, with a step under way, and with a step that has committed while nobody
 * has heard of it. Then everything that callers heard is lost, the order's workflow knows nothing of its commands, and they are
 * sent again the other way round. In the end each caller knows what the database recorded of his command, and no more.
 */
import { describe, expect, test } from 'vitest';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { COMMANDS_IN, STAGES, endsOf, type Command, type Stage } from '../model/pairs.ts';
import { expectRulesHold } from '../support/database.ts';
import { interruptions } from '../support/interruptions.ts';
import { completedTasks, reset } from '../support/resets.ts';
import {
  OPERATIONS,
  WINDOW,
  ask,
  stagedOrders,
  type Call,
  type Held,
  type StagedOrder,
} from '../support/staged-orders.ts';
import { startSystem } from '../support/system.ts';

const statements = interruptions();
const system = await startSystem({ paymentWindow: WINDOW, workerDatabase: statements.between });
const { client, sql } = system;
const { orderIn, send } = stagedOrders(system, statements);

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
async function liesIn(order: StagedOrder): Promise<string[]> {
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
async function loseEverything({ id, calls }: StagedOrder): Promise<void> {
  for (const its of calls.filter(({ command }) => command !== 'create')) {
    await sql`
      update idempotency_key set response_status = null, response_body = null, claimed_until = now()
      where operation = ${OPERATIONS[its.command]} and key = ${its.key}
    `;
    its.heard = its.heard.filter(({ status }) => status < 300);
  }
  const [task] = await completedTasks(client, orderWorkflowId(id));
  if (task) await reset(client, task, 'gets no command again');
}

/** All of its cases at once: orders of their own, each in its turn. */
const AT_ONCE = 6;

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
  // A cancellation in Temporal reaches its workflow with the next task, and what comes with that is heard before it.
  const isEither = stage === 'awaiting_payment' || first === 'Cancel in Temporal';
  const orders = [[first, second], ...(isEither ? [[second, first]] : [])];
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
