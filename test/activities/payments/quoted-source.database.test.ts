/** What a buyer pays with stays between Holdfast and the payment provider, also when the provider quotes it in its answer. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { createAdvancingActivities } from '../../../activities/payments/advance.ts';
import { createHttpProvider } from '../../../activities/payments/http-provider.ts';
import { findPayment } from '../../../db/payments/payments.ts';
import { keepPaymentSource } from '../../../db/payments/sources.ts';
import { openPayment } from '../../../db/steps/payments/open-payment.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { freshDatabase } from '../../support/database.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';
import { AT, anOrder } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();
const SOURCE = 'tok_pl4nted+(1)';

const asked = z.object({
  reference: z.string(),
  order: z.string(),
  amount: z.number(),
  currency: z.string(),
  source: z.string(),
});
const quoting = createServer((request, response) => {
  void json(request).then((body) => {
    const { source, ...payment } = asked.parse(body);
    const reason = `${source} is blocked (${source})`;
    response.end(
      JSON.stringify({ ...payment, id: 'p1', state: 'declined', captured: 0, refunded: 0, reason }),
    );
  });
}).listen(0, '127.0.0.1');
await once(quoting, 'listening');
afterAll(() => quoting.close());

test('a reason in which the provider quotes what the buyer pays with is kept without it', async () => {
  const [sku, walletId] = await Promise.all([
    stockedSku(sql, { onHand: 1 }),
    fundedWallet(sql, { funds: 1 }),
  ]);
  const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
  await reserve(database, order);
  const paymentId = uuidv7();
  await keepPaymentSource(database, { paymentId, shopId: MAIN_SHOP, source: SOURCE });
  await openPayment(database, { orderId: order.orderId, commandId: paymentId, method: 'provider', at: AT });
  const address = z.object({ port: z.number() }).parse(quoting.address());
  const provider = createHttpProvider({ url: `http://127.0.0.1:${address.port}`, key: 'k' });
  const { advancePayment } = createAdvancingActivities(database, {
    providerOf: () => provider,
    unknownAfter: 1_000,
  });
  const advanced = await advancePayment({
    paymentId,
    at: AT,
    isFirst: true,
    unknownSince: null,
    quietSince: null,
    isLastLook: false,
  });
  expect(advanced).toMatchObject({ state: 'declined', done: true });
  expect(await findPayment(database, paymentId)).toMatchObject({
    reason: '[redacted] is blocked ([redacted])',
  });
  // Nor is it anywhere else, the audit included: once the payment is known, it is gone.
  const tables = await sql<{ name: string }[]>`
    select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
  `;
  for (const { name } of tables)
    expect([
      name,
      await sql`select from ${sql(name)} as kept where strpos(kept::text, ${SOURCE}) > 0`,
    ]).toEqual([name, []]);
});
