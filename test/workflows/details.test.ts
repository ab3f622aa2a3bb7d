/** Whoever opens a workflow in the Web UI learns, without code, what it is about and what to do, and nothing that is nobody's business. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { failingSteps } from '../support/failing-steps.ts';
import { lockWallet } from '../support/obstacles.ts';
import { refundHandleOf } from '../support/refunds.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const RUNBOOK = 'https://desk.example/ops/runbook';
const system = await startSystem({ attentionAfter: 100, runbook: RUNBOOK });
const { shop, client, sql } = system;
const { workflowOf, untilMarked } = failingSteps(system);

const repairs: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const repair of repairs.splice(0)) await repair();
});

const detailsOf = async (workflowId: string): Promise<string> => {
  const metadata = await client.workflow
    .getHandle(workflowId)
    .query<{ currentDetails: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails;
};

/** Of a table of details, by the name of the row. */
const rowsOf = (details: string): Record<string, string> =>
  Object.fromEntries(
    [...details.matchAll(/^\| (\w.*?)\u2003 \| (.*) \|$/gm)].map(([, name = '', value = '']) => [
      name.replaceAll('\u00a0', ' '),
      value,
    ]),
  );

const aTime = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/;

/** PostgreSQL refuses every attempt at a step, and quotes what it should not. */
async function refuseStep(step: string, secret: string): Promise<void> {
  const name = `refuse_${randomUUID().slice(0, 8)}`;
  await sql.unsafe(`
    create function ${name}() returns trigger language plpgsql as $$ begin raise exception 'no ${secret} today'; end $$
  `);
  await sql.unsafe(`
    create trigger ${name} before insert on order_step for each row when (new.step = '${step}') execute function ${name}()
  `);
  repairs.push(() => sql.unsafe(`drop function ${name}() cascade`));
}

async function place(more: object = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2, more) };
}

test('the details of an order say who, what, how much, in which stage, and what it waits for until when', async () => {
  const { id, sku } = await place();
  const details = await detailsOf(orderWorkflowId(id));
  expect(details).toMatch(/^\*\*Waits for payment until /);
  expect(rowsOf(details)).toEqual({
    Who: 'buyer buyer',
    What: `2 × ${sku.replaceAll('-', String.raw`\-`)}`,
    'How much': '1000 EUR in minor units, taken when it is paid',
    Stage: '`awaiting_payment`',
    'Waits for': expect.stringMatching(aTime),
  });
  await shop.pay(id);
  await workflowOf(id).result();
  expect(rowsOf(await detailsOf(orderWorkflowId(id)))).toMatchObject({
    Stage: '`paid`',
    'Waits for': 'nothing',
  });
});

test('a failing step says since when, how it failed first, and what to do about it, with a link', async () => {
  const { id, wallet } = await place();
  const unlock = await lockWallet(sql, wallet);
  const paying = shop.pay(id);
  await untilMarked(id);
  const details = await detailsOf(orderWorkflowId(id));
  expect(details).toContain('**Needs attention since ');
  expect(rowsOf(details)).toMatchObject({
    Stage: '`paying`',
    'Waits for': 'the step `pay` to succeed',
    'Went wrong': expect.stringMatching(new RegExp(`the step \`pay\`, since ${aTime.source}`)),
    'First failure': expect.stringMatching(/^`row_locked`: /),
    'Newest failure': 'under Pending Activities',
    'Needs a person': expect.stringMatching(/^since .*, `payment_failing`$/),
    'What to do': `[what to do about payment_failing](${RUNBOOK}#payment_failing)`,
  });
  await unlock();
  await paying;
  await workflowOf(id).result();
  expect(rowsOf(await detailsOf(orderWorkflowId(id)))).not.toHaveProperty('Went wrong');
});

test('a refund says which order it is about, why it was asked for, and what keeps it', async () => {
  const { id } = await place();
  await shop.pay(id);
  await refuseStep('refund', 'pl4nted');
  const refunding = shop.refund(id, true);
  await untilMarked(id);
  const refund = await refundHandleOf(system, id);
  expect(rowsOf(await detailsOf(refund.workflowId))).toMatchObject({
    Order: `\`${id}\`: workflow \`${orderWorkflowId(id)}\``,
    'Asked for, because': 'broken',
    'First failure': expect.stringMatching(/^`database_refused`: /),
    'What to do': `[what to do about refund_failing](${RUNBOOK}#refund_failing)`,
  });
  for (const repair of repairs.splice(0)) await repair();
  expect(await refunding).toMatchObject({ status: 200 });
});

test('no secret and nothing personal is in what an order shows, is found by, or fails with', async () => {
  const secret = `pl4nted${randomUUID().slice(0, 8)}`;
  const { id, wallet } = await place({
    reference: `reference ${secret}`,
    metadata: { note: secret },
    contact: { email: `${secret}@example.com`, phone: '+49 30 123456' },
    deliveryNote: `behind the ${secret}`,
    adjustments: [{ kind: 'fee', label: `label ${secret}`, amount: 100 }],
  });
  await refuseStep('pay', secret);
  const paying = shop.pay(id);
  await untilMarked(id);
  const pending = await until('a failed attempt', async () => {
    const { raw } = await workflowOf(id).describe();
    return raw.pendingActivities?.some(({ lastFailure }) => lastFailure) ? raw : undefined;
  });
  const failures = pending.pendingActivities?.map(({ lastFailure }) => lastFailure?.message ?? '');
  expect(failures?.join()).toMatch(/^PostgreSQL refused pay for order /);
  for (const failure of failures ?? []) expect(failure.length).toBeLessThan(400);
  const described = await workflowOf(id).describe();
  const shown = JSON.stringify([
    await detailsOf(orderWorkflowId(id)),
    await described.staticSummary(),
    described.typedSearchAttributes.getAll(),
    pending.pendingActivities,
    await summariesOf(id),
  ]);
  expect(shown).toContain('HoldfastFailingStep');
  expect(shown).toContain('database_refused');
  expect(shown).not.toContain(secret);
  expect(shown).not.toContain(wallet);
  for (const repair of repairs.splice(0)) await repair();
  expect(await paying).toMatchObject({ status: 200 });
});

/** The failures, and what summarizes each event, of an order's history. */
async function summariesOf(id: string): Promise<unknown> {
  const { events } = await workflowOf(id).fetchHistory();
  return (events ?? []).map(({ userMetadata, ...event }) => [
    Buffer.from(userMetadata?.summary?.data ?? '').toString(),
    event.markerRecordedEventAttributes?.failure,
  ]);
}
