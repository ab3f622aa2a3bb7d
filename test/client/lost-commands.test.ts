/** A refund or a cancel that a workflow accepted is carried out even if that workflow failed, timed out or was terminated. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { orderWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';
import type { RefundInput } from '../../domain/order.ts';
import { WORKFLOW, cancelUpdate, giveUpUpdate, type RefundEnd } from '../../workflows/messages.ts';
import { breachesOfWorkflows, expectRulesHold } from '../support/database.ts';
import { untilEvents } from '../support/history.ts';
import { reconciling } from '../support/reconciling.ts';
import { startSystem } from '../support/system.ts';
import { lockWallet } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue } = system;
const { workflowOf, reconcile, findingsAbout, placed } = reconciling(system);
const workflows = orderWorkflowsOf(client, taskQueue);

const ignore = () => {};

const repairs: (() => Promise<unknown>)[] = [];
const repairSteps = async () => {
  for (const repair of repairs.splice(0)) await repair();
};
afterEach(repairSteps);

/** PostgreSQL refuses every attempt at a step until `repairSteps`. */
async function refuseStep(step: 'refund' | 'release'): Promise<void> {
  await sql.unsafe(`
    create function refuse_${step}() returns trigger language plpgsql as $$ begin raise exception 'no ${step} today'; end $$
  `);
  await sql.unsafe(`
    create trigger refuse_${step} before insert on order_step
    for each row when (new.step = '${step}') execute function refuse_${step}()
  `);
  repairs.push(() => sql.unsafe(`drop function refuse_${step}() cascade`));
}

/** The listing of workflows lags behind. */
const untilListed = (id: string) =>
  until('the listing to know that the workflow broke', async () =>
    (await workflows.listBroken(null)).promises.some(({ orderId }) => orderId === id),
  );

const untilRefunded = (id: string) =>
  until(`order ${id} to be refunded`, async () =>
    (await shop.stageOf(id)) === 'refunded' ? true : undefined,
  );

async function paid() {
  const order = await placed();
  await shop.pay(order.id);
  return order;
}

const findBreaches = async (id: string) =>
  (await breachesOfWorkflows(database, workflows)).filter(({ subject }) => subject.includes(id));

const startRefund = (workflowId: string, refund: RefundInput, workflowRunTimeout = 60_000) =>
  client.workflow.start<(input: RefundInput) => Promise<RefundEnd>>(WORKFLOW.refund, {
    workflowId,
    taskQueue,
    args: [refund],
    workflowRunTimeout,
  });

describe.each([
  ['a refund that its workflow accepted', (_: string, commandId: string) => commandId],
  ['the one refund of an order that 0.7 accepted', () => null],
] as const)('%s', (_what, commandInId) => {
  /** The refund of a paid order, which keeps failing. */
  async function failing({ restock = true, runTimeout = 60_000 } = {}) {
    const order = await paid();
    await refuseStep('refund');
    const refund = { orderId: order.id, commandId: randomUUID(), reason: 'broken', restock };
    const workflowId = refundWorkflowId(order.id, commandInId(order.id, refund.commandId));
    const workflow = await startRefund(workflowId, refund, runTimeout);
    await untilEvents(client, workflowId, 'activityTaskScheduledEventAttributes', 1);
    return { ...order, ...refund, workflow, subject: `${order.id}/${refund.commandId}` };
  }

  test('is started again exactly once, as it was requested, after its workflow was terminated', async () => {
    const { id, wallet, sku, commandId, workflow, subject } = await failing();
    await workflow.terminate('by mistake');
    await untilListed(id);
    expect(await findBreaches(id)).toEqual([
      {
        subject: `order/refund ${subject}`,
        finding: 'is paid, and the workflow of its refund was terminated',
      },
    ]);
    await repairSteps();
    expect(await reconcile()).toMatchObject({ found: 1, repaired: 1 });
    const again = client.workflow.getHandle(refundWorkflowId(id, commandId));
    expect(await again.result()).toMatchObject({ stage: 'refunded', commandId });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10 });
    expect(await findingsAbout(id)).toMatchObject([
      {
        kind: 'workflow_failed',
        subject,
        orderId: id,
        state: 'repaired',
        repair: { after: { commandId, restock: true } },
      },
    ]);
    expect(await reconcile()).toMatchObject({ found: 0 });
    expect(await findingsAbout(id)).toHaveLength(1);
    expect(await findBreaches(id)).toEqual([]);
    await expectRulesHold(sql);
  });

  test('is started again once by several runs of reconciliation at the same time', async () => {
    const { id, wallet, sku, workflow } = await failing({ restock: false });
    await workflow.terminate('by mistake');
    await untilListed(id);
    await repairSteps();
    await Promise.all([reconcile(), reconcile(), reconcile()]);
    await untilRefunded(id);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 8 });
    expect((await findingsAbout(id)).filter(({ state }) => state !== 'repaired')).toEqual([]);
    await expectRulesHold(sql);
  });

  test('is started again after its workflow timed out', async () => {
    const { id, commandId, workflow } = await failing({ restock: false, runTimeout: 2_000 });
    await workflow.result().catch(ignore);
    await untilListed(id);
    await repairSteps();
    await reconcile();
    await untilRefunded(id);
    expect(await findingsAbout(id)).toMatchObject([
      { state: 'repaired', repair: { after: { commandId, restock: false } } },
    ]);
  });

  test('is not reported as a finding while a later run of its workflow carries it out', async () => {
    const { id, workflow, orderId, commandId, reason, restock } = await failing();
    await workflow.terminate('by mistake');
    await untilListed(id);
    const again = await startRefund(refundWorkflowId(id, commandId), { orderId, commandId, reason, restock });
    await reconcile();
    expect(await findingsAbout(id)).toEqual([]);
    expect(await findBreaches(id)).toEqual([]);
    await repairSteps();
    await again.result();
    expect(await shop.stageOf(id)).toBe('refunded');
  });
});

describe('of the refunds of one order', () => {
  /** Two refunds of 100 and one of 200, of which all fail. */
  async function failingParts() {
    const order = await paid();
    await refuseStep('refund');
    const parts = await Promise.all(
      [100, 100, 200].map(async (amount) => {
        const commandId = randomUUID();
        const workflowId = refundWorkflowId(order.id, commandId);
        const part = { orderId: order.id, commandId, reason: 'scratched', amount, restock: false };
        const workflow = await startRefund(workflowId, part);
        await untilEvents(client, workflowId, 'activityTaskScheduledEventAttributes', 1);
        return { ...part, workflow };
      }),
    );
    return { ...order, parts };
  }

  test('each that was lost is started again once, and each that was not goes on', async () => {
    const { id, wallet, parts } = await failingParts();
    const lost = parts.slice(1);
    for (const { workflow } of lost) await workflow.terminate('by mistake');
    await until('the listing to know both', async () => {
      const { promises } = await workflows.listBroken(null);
      return promises.filter(({ orderId }) => orderId === id).length === 2;
    });
    await repairSteps();
    expect(await reconcile()).toMatchObject({ found: 2, repaired: 2 });
    for (const { commandId } of parts)
      expect(await client.workflow.getHandle(refundWorkflowId(id, commandId)).result()).toMatchObject({
        stage: 'paid',
        commandId,
      });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_400, held: 0 });
    const findings = await findingsAbout(id);
    expect(new Set(findings.map(({ subject }) => subject))).toEqual(
      new Set(lost.map(({ commandId }) => `${id}/${commandId}`)),
    );
    expect(findings).toMatchObject([
      { state: 'repaired', repair: { after: { restock: false } } },
      { state: 'repaired' },
    ]);
    expect(await reconcile()).toMatchObject({ found: 0 });
    await expectRulesHold(sql);
  });

  test('one whose workflow was terminated after it had been made is no finding, although the order is still paid', async () => {
    const { id, parts } = await failingParts();
    const [first] = parts;
    if (!first) throw new Error('There is no refund.');
    const { workflow, ...part } = first;
    await workflow.terminate('by mistake');
    await untilListed(id);
    await repairSteps();
    // The attempt that was under way.
    await createActivities(database).refund({ ...part, at: new Date().toISOString() });
    expect(await findBreaches(id)).toEqual([]);
    await reconcile();
    expect(await findingsAbout(id)).toEqual([]);
  });

  test('one that was refused is not reported as lost, although its workflow failed', async () => {
    const { id } = await paid();
    const part = { orderId: id, commandId: randomUUID(), reason: 'too much', amount: 1_001, restock: false };
    const workflow = await startRefund(refundWorkflowId(id, part.commandId), part);
    await workflow.result().catch(ignore);
    await untilListed(id);
    expect(await findBreaches(id)).toEqual([]);
    await reconcile();
    expect(await findingsAbout(id)).toEqual([]);
  });
});

describe('a cancel that its workflow accepted', () => {
  const accepted = (id: string, updates: number) =>
    untilEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes', updates);

  test.each([
    [
      'with the Web UI\u2019s Cancel',
      'cancelled_in_temporal',
      async (id: string) => {
        await workflowOf(id).cancel();
        await until('the request', async () => {
          const { events } = await workflowOf(id).fetchHistory();
          return events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes)
            ? true
            : undefined;
        });
      },
    ],
    [
      'from a caller',
      'changed my mind',
      async (id: string) => {
        const command = { commandId: randomUUID(), reason: 'changed my mind' };
        void workflowOf(id)
          .executeUpdate(cancelUpdate, { args: [command] })
          .catch(ignore);
        await accepted(id, 3);
      },
    ],
  ] as const)(
    '%s while the payment was taken becomes a refund even if the workflow of the order was terminated',
    async (_how, reason, cancel) => {
      const { id, wallet, sku } = await placed();
      const letGo = await lockWallet(sql, wallet);
      const paying = shop.pay(id);
      await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
      await refuseStep('refund');
      await cancel(id);
      await letGo();
      await until('the payment', async () => ((await shop.stageOf(id)) === 'paid' ? true : undefined));
      // The refund has failed and is tried again: a first attempt could commit later.
      await until('a refund that is tried again', async () => {
        const { pendingActivities: pending } = (await workflowOf(id).describe()).raw;
        return pending?.some(({ activityType }) => activityType?.name === 'refund');
      });
      await workflowOf(id).terminate('by mistake');
      await paying;
      await repairSteps();
      await untilListed(id);
      await reconcile();
      expect(await findingsAbout(id)).toMatchObject([{ kind: 'workflow_failed', state: 'repaired' }]);
      await untilRefunded(id);
      expect(await shop.get(`/v1/orders/${id}`)).toMatchObject({ body: { reason } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      await expectRulesHold(sql);
    },
  );

  test.each([
    [
      'a caller',
      'changed my mind',
      (id: string) =>
        workflowOf(id).executeUpdate(cancelUpdate, {
          args: [{ commandId: randomUUID(), reason: 'changed my mind' }],
        }),
    ],
    [
      'an operator who gave the order up',
      'nobody answers',
      (id: string) =>
        workflowOf(id).executeUpdate(giveUpUpdate, { args: [{ actor: 'dana', reason: 'nobody answers' }] }),
    ],
  ] as const)(
    'from %s before any payment is carried out by the workflow that is started again',
    async (_who, reason, cancel) => {
      const { id, sku } = await placed();
      await refuseStep('release');
      void cancel(id).catch(ignore);
      await accepted(id, 2);
      await workflowOf(id).terminate('by mistake');
      await repairSteps();
      await reconcile();
      await until('the cancel', async () => ((await shop.stageOf(id)) === 'cancelled' ? true : undefined));
      expect(await shop.get(`/v1/orders/${id}`)).toMatchObject({ body: { reason } });
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      await expectRulesHold(sql);
    },
  );
});

test('a paid order whose workflow was terminated after the payment is not reported as a finding', async () => {
  const { id, wallet } = await placed();
  // An answered command cannot be lost.
  expect(await shop.pay(id)).toMatchObject({ status: 200 });
  await workflowOf(id).result();
  const other = await placed();
  const letGo = await lockWallet(sql, other.wallet);
  const paying = shop.pay(other.id);
  await untilEvents(client, orderWorkflowId(other.id), 'activityTaskScheduledEventAttributes', 1);
  await letGo();
  await until('the payment', async () => ((await shop.stageOf(other.id)) === 'paid' ? true : undefined));
  await workflowOf(other.id).terminate('by mistake').catch(ignore);
  await paying;
  await reconcile();
  expect(await findingsAbout(id)).toEqual([]);
  expect(await findingsAbout(other.id)).toEqual([]);
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
});
