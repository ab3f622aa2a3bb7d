/**
 * Every pair of commands to one order, in each stage: at rest, with a step under way, and with a step that has committed but
 * whose answer is lost. Then every answer to a caller is lost, too, the order's workflow forgets its commands, and they are
 * sent again in the opposite order. In the end each caller knows what the database recorded of its command, and no more.
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

const STAGES_OF_SUCCESS: Readonly<Record<Call['command'], readonly string[]>> = {
  create: ['awaiting_payment', 'paid', 'cancelled', 'expired', 'refunded'],
  pay: ['paid', 'refunded'],
  cancel: ['cancelled', 'refunded'],
  refund: ['refunded'],
};

/** The refusals that are true of how an order ended. */
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

/** Describes every answer that contradicts the database. */
async function findContradictions(order: StagedOrder): Promise<string[]> {
  const { stage, moved } = await recordOf(order.id);
  const contradictions: string[] = [];
  for (const its of order.calls) {
    const hadEffect = moved.get(await commandIdOf(its));
    for (const { status, code, stage: answeredStage } of its.heard) {
      const answer = `${its.command} heard ${status} ${code || answeredStage}`;
      if (status >= 500) contradictions.push(`${answer}, which says nothing`);
      else if (status >= 400) {
        if (hadEffect !== undefined)
          contradictions.push(`${answer}, and its command made the order ${hadEffect}`);
        const fitting =
          its.command === 'refund'
            ? ['order_not_refundable', 'not_found']
            : (REFUSALS[`${its.command} ${stage}`] ?? []);
        if (!fitting.includes(code)) contradictions.push(`${answer}, and the order is ${stage}`);
      } else {
        if (its.command !== 'create' && hadEffect === undefined)
          contradictions.push(`${answer}, and its command is not recorded`);
        if (!STAGES_OF_SUCCESS[its.command].includes(answeredStage))
          contradictions.push(`${answer}, which is no success`);
      }
    }
    const [first, ...others] = its.heard.map(({ status, code }) => `${status} ${code}`);
    const different = others.find((other) => other !== first);
    if (different !== undefined)
      contradictions.push(`${its.command} heard ${String(first)} and then ${different}`);
  }
  return contradictions;
}

/**
 * Loses the answers to all commands, and makes the workflow forget every command since its reservation. A refused caller
 * knows nothing then, and may succeed by asking again; a caller who got a success must get it again.
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
  if (task) await reset(client, task, 'is sent no command again');
}

/** How many cases of a stage run at once, each on an order of its own. */
const AT_ONCE = 6;

interface Case {
  held: Held | null;
  first: Command;
  second: Command;
  /** When the answers are lost. */
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
        { held: 'made, but its answer was lost', lost: 'after both' },
      ]
    : [
        { held: null, lost: 'after both' },
        ...(RESTING.includes(stage) ? [{ held: null, lost: 'after the first' } as const] : []),
      ];
  return ways.flatMap((way) => {
    // A step that was made needs no operator.
    const isMade = way.held === 'made, but its answer was lost';
    const tried = commands.filter((command) => !(isMade && BY_HAND_ONLY.includes(command)));
    return tried.flatMap((first) =>
      tried
        // A deadline passes once.
        .filter((second) => !(first === 'expiry' && second === 'expiry'))
        .map((second) => ({ ...way, first, second })),
    );
  });
}

/** The ends that the model allows. A step that was made already counts as made before both commands. */
function allowedEnds(stage: Stage, { held, first, second }: Case): Set<string> {
  const isMade = held === 'made, but its answer was lost';
  const seen: Stage[] = isMade && stage === 'paying' ? ['paying', 'paid'] : [stage];
  // At rest either may be first, and the second may be under way before the first is answered.
  // A cancellation in Temporal reaches its workflow with the next task, after the updates of that task.
  const isEither = stage === 'awaiting_payment' || first === 'Cancel in Temporal';
  const orders = [[first, second], ...(isEither ? [[second, first]] : [])];
  return new Set(seen.flatMap((begin) => orders.flatMap((commands) => [...endsOf(begin, commands)])));
}

/** Where an order may be after all commands were sent again. A reset does not forget a cancellation in Temporal. */
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
  const wrong = (await findContradictions(order)).map((contradiction) => `${contradiction} (the first time)`);

  const { stage: end } = await recordOf(order.id);
  const allowed = allowedEnds(stage, its);
  // After a reset, a command to a workflow that had ended reaches one that runs again.
  const isLost = lost === 'after the first' && reachable(stage, its).has(end);
  if (!allowed.has(end) && !isLost)
    wrong.push(`the order ended as ${end}, and not as ${[...allowed].join(' or ')}`);

  await loseEverything(order);
  for (const asked of order.calls.toReversed()) await ask(asked);
  wrong.push(...(await findContradictions(order)));
  const { stage: after } = await recordOf(order.id);
  if (after !== end && !reachable(end, its).has(after))
    wrong.push(`the order was ${end} and became ${after}`);
  return wrong.map(
    (lie) => `${first}, then ${second}${held === null ? '' : `, the step ${held}`}, lost ${lost}: ${lie}`,
  );
}

/** Runs the cases of a stage side by side and describes everything that was wrong, including failures of the test itself. */
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

describe('any two commands to an order', () => {
  test.concurrent.each(STAGES)(
    'that is %s leave every caller with the truth, even when all answers are lost',
    async (stage) => {
      expect(await playAll(stage)).toEqual([]);
      await expectRulesHold(sql);
    },
    240_000,
  );
});
