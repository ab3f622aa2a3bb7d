/** Plays one case on PostgreSQL and in the model side by side, and fails where they disagree. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { createActivities } from '../../activities/order.ts';
import { putSku } from '../../db/skus.ts';
import { countSku, restockSku } from '../../db/stock-movements.ts';
import type { Database } from '../../db/connection.ts';
import type { Sql } from '../../db/postgres.ts';
import { checkRules } from '../../db/rules/rules.ts';
import { findPayment } from '../../db/payments/payments.ts';
import { markRefundSent } from '../../db/steps/payments/mark-refund-sent.ts';
import { recordPayment } from '../../db/steps/payments/record-payment.ts';
import { requestVoid } from '../../db/steps/payments/request-void.ts';
import { returnPayment } from '../../db/steps/payments/return-payment.ts';
import { createWallet, deposit } from '../../db/wallets.ts';
import { openBook } from './book.ts';
import type { Command } from './commands.ts';
import { CaseFailure } from './property.ts';
import { differences, readState, stateOf } from './state.ts';
import type { RunTotals } from './run-totals.ts';
import { advanceByWallet } from './wallet-payments.ts';
import {
  UNKNOWN_ORDER,
  UNKNOWN_PAYMENT,
  emptyWorld,
  perform,
  type Answer,
  type Request,
  type World,
} from './world.ts';

/** Commands between two comparisons of the state and checks of the rules. */
const CHECK_EVERY = 10;

/** Long enough for every request of a race to reach its locked row. */
const GATE_MS = 4;

export interface StepsUnderTest {
  database: Database;
  /** For reading. */
  sql: Sql;
}

export async function playOnSteps(
  { database, sql }: StepsUnderTest,
  commands: readonly Command[],
  totals: RunTotals,
): Promise<void> {
  const book = openBook();
  // Two workers, so that the group commits of one race with the other's.
  const [send, sendElsewhere] = [sender(database), sender(database)];
  const history: string[] = [];
  let world = emptyWorld();

  const fail = (...findings: string[]): never => {
    throw new CaseFailure(history, findings);
  };

  async function one(request: Request): Promise<void> {
    const answer = await send(request);
    history.push(`${book.describe(request)} -> ${describeAnswer(answer)}`);
    totals.answer(`${request.kind} ${describeAnswer(answer)}`);
    const expected = perform(world, request);
    if (!isDeepStrictEqual(answer, expected)) fail(`The model answers ${inFull(expected)}`, inFull(answer));
  }

  /** However the requests interleaved, some serial order of them must explain answers and state. */
  async function atOnce(requests: readonly Request[], gated: boolean): Promise<void> {
    const answers = await (gated ? behindGate(requests) : sendAll(requests));
    requests.forEach((request, index) => {
      const answer = answers[index];
      if (answer === undefined) return;
      history.push(
        `${index === 0 ? 'at once' : '       '} ${book.describe(request)} -> ${describeAnswer(answer)}`,
      );
      totals.answer(`${request.kind} ${describeAnswer(answer)}`);
    });
    const orders = permutations(requests.map((_, index) => index)).map((order) => serially(requests, order));
    const explaining = orders.filter((order) => sameAnswers(order.answers, answers));
    if (explaining.length === 0)
      fail(
        'No serial order gives these answers:',
        ...answers.map(inFull),
        'The model has, of every order:',
        ...orders.map((order) => order.answers.map(inFull).join(' and ')),
      );
    const state = await readState(sql, book.id);
    const found = explaining.find((order) => isDeepStrictEqual(stateOf(order.world), state));
    if (found) world = found.world;
    else
      fail(
        'The answers fit, but the state is that of no serial order:',
        ...explaining.flatMap((order, index) => [
          ...(index === 0 ? [] : ['or']),
          ...differences(stateOf(order.world), state, ''),
        ]),
      );
  }

  const sendAll = (requests: readonly Request[]): Promise<Answer[]> =>
    Promise.all(requests.map((request, index) => (index % 3 === 1 ? sendElsewhere : send)(request)));

  async function behindGate(requests: readonly Request[]): Promise<Answer[]> {
    const open = await closeGate(sql, book.id);
    const sent = sendAll(requests);
    await delay(GATE_MS);
    await open();
    return sent;
  }

  function serially(requests: readonly Request[], order: readonly number[]) {
    const possible: World = structuredClone(world);
    const answers: Answer[] = [];
    for (const index of order) {
      const request = requests[index];
      if (request) answers[index] = perform(possible, request);
    }
    return { world: possible, answers };
  }

  async function check(): Promise<void> {
    const state = await readState(sql, book.id);
    const found = differences(stateOf(world), state, '');
    if (found.length > 0) fail('The answers fit, but not the state:', ...found);
    const reports = await checkRules(sql);
    totals.rulesChecked(reports.length);
    const breaches = reports.flatMap((report) =>
      report.breaches.map(
        ({ subject, finding }) => `Rule ${report.rule.number} (${report.rule.name}): ${subject}: ${finding}`,
      ),
    );
    if (breaches.length > 0) fail(...breaches);
  }

  await sql`insert into shop (id, name) values ('second', 'Second') on conflict do nothing`;
  for (const request of book.opening) perform(world, request);
  await Promise.all(book.opening.filter(({ kind }) => kind !== 'deposit').map((request) => send(request)));
  await Promise.all(book.opening.filter(({ kind }) => kind === 'deposit').map((request) => send(request)));

  for (const [index, command] of commands.entries()) {
    if (command.kind === 'atOnce') {
      const requests = command.requests.map((single) => book.request(single));
      const copies = Array.from({ length: command.copies }, () => requests).flat();
      for (let copy = 0; copy < command.copies; copy += 1)
        for (const { kind } of command.requests) totals.command(kind);
      await atOnce(copies, command.gated);
    } else {
      totals.command(command.kind);
      await one(book.request(command));
    }
    if (index % CHECK_EVERY === CHECK_EVERY - 1) await check();
  }
  await check();
  totals.caseEnded();
}

/** The system: the activities of a worker, and the writes that the API makes itself. */
function sender(database: Database): (request: Request) => Promise<Answer> {
  const activities = createActivities(database);
  const send = async ({ kind, request }: Request): Promise<Answer> => {
    switch (kind) {
      case 'reserve':
        return activities.reserve(request);
      case 'abandon':
        return activities.abandon(request);
      case 'pay':
        return activities.pay(request);
      case 'decline':
        return activities.decline(request);
      case 'openPayment':
        return activities.openPayment(request);
      case 'settle':
        return activities.settle(request);
      case 'advancePayment':
        return { payment: await advanceByWallet(database, request) };
      case 'recordPayment':
        return { payment: (await recordPayment(database, request)).state };
      case 'returnPayment':
        return { payment: (await returnPayment(database, request)).state };
      case 'markRefundSent':
        await markRefundSent(database, request);
        return { payment: await stateOfPayment(database, request.paymentId) };
      case 'requestVoid':
        await requestVoid(database, request);
        return { payment: await stateOfPayment(database, request.paymentId) };
      case 'extendDeadline':
        return activities.extendDeadline(request);
      case 'release':
        return activities.release(request);
      case 'refund':
        return activities.refund(request);
      case 'deposit':
        return deposit(database, request);
      case 'restock':
        return restockSku(database, request);
      case 'count':
        return countSku(database, request);
      case 'putSku':
        return putSku(database, request);
      case 'openWallet':
        return createWallet(database, request);
    }
  };
  return async (request) => {
    try {
      return plain(await send(request));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message.startsWith('There is no payment')) return UNKNOWN_PAYMENT;
      return message.includes('is not in the database') ? UNKNOWN_ORDER : { failed: message };
    }
  };
}

/** @throws when there is no such payment. */
async function stateOfPayment(database: Database, id: string): Promise<string> {
  const payment = await findPayment(database, id);
  if (payment) return payment.state;
  throw new Error(`There is no payment ${id}.`);
}

/** Rows of postgres.js have a class of their own. Whom a step wakes is no promise: nothing depends on it. */
function plain(answer: Answer): Answer {
  if (!('stage' in answer)) return structuredClone(answer);
  const { wakes, ...rest } = answer;
  return structuredClone(wakes === undefined ? answer : rest);
}

/** Locks all rows of a case, in the same order as the steps, until the returned function is called. */
async function closeGate(sql: Sql, caseId: string): Promise<() => Promise<void>> {
  const closed = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const gate = sql.begin(async (held) => {
    await held`select from orders where buyer_id = ${caseId} order by id for no key update`;
    await held`
      select from payment where order_id in (select id from orders where buyer_id = ${caseId}) order by id for no key update
    `;
    await held`select from sku where name = ${caseId} order by sku for no key update`;
    await held`select from wallet where owner_id = ${caseId} order by id for no key update`;
    closed.resolve();
    await opened.promise;
  });
  await Promise.race([closed.promise, gate]);
  return async () => {
    opened.resolve();
    await gate;
  };
}

function sameAnswers(expected: readonly Answer[], found: readonly Answer[]): boolean {
  return isDeepStrictEqual(expected, found);
}

function describeAnswer(answer: Answer): string {
  if ('stage' in answer) {
    const why = answer.refusal ?? answer.reason;
    return why === null ? answer.stage : `${answer.stage} (${why.replace(/, request.*/, '')})`;
  }
  if ('payment' in answer) return answer.payment;
  if ('outcome' in answer) return answer.outcome;
  return 'failed' in answer ? `failed: ${answer.failed}` : 'opened';
}

const inFull = (answer: Answer): string => JSON.stringify(answer);

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) =>
    permutations(items.filter((_, other) => other !== index)).map((rest) => [item, ...rest]),
  );
}
