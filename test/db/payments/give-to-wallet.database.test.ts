/** Money of a provider's payment that its provider does not take back goes to the order's wallet. */
import { afterEach, expect, test } from 'vitest';
import { giveToOrdersWallet } from '../../../activities/payments/wallet-provider.ts';
import { NIL_UUID } from '../../../db/schema/columns.ts';
import { markRefundSent } from '../../../db/steps/payments/mark-refund-sent.ts';
import { returnPayment } from '../../../db/steps/payments/return-payment.ts';
import { BALANCE_LIMIT } from '../../../domain/limits.ts';
import { WalletFullError } from '../../../domain/payment-provider.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { openShopWithPayments } from '../../support/payment-plantings.ts';
import { AT } from '../../support/step-requests.ts';
import { topUp } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();
const { walletId, owing, partly, settled, holding, late } = await openShopWithPayments({ database, sql });

afterEach(() => expectRulesHold(sql));

const posted = async (): Promise<number> => {
  const [row] = await sql<{ posted: number }[]>`select posted from wallet where id = ${walletId}`;
  return row?.posted ?? 0;
};

const give = (paymentId: string, commandId: string = NIL_UUID) =>
  giveToOrdersWallet(database, { paymentId, commandId });

test('all of a payment that its order cannot use is given once, however often and at once it is asked for', async () => {
  const paymentId = await late();
  const before = await posted();
  expect(await Promise.all([give(paymentId), give(paymentId), give(paymentId)])).toEqual([true, true, true]);
  expect(await give(paymentId)).toBe(true);
  expect(await posted()).toBe(before + 1_000);
  expect(await returnPayment(database, { paymentId, reason: 'refused', at: AT })).toMatchObject({
    state: 'returned',
  });
  expect(await posted()).toBe(before + 1_000);
});

test('nothing is given of a payment that its order counts on, that was returned, or that came from a wallet', async () => {
  const before = await posted();
  const returned = await late();
  await returnPayment(database, { paymentId: returned, reason: 'order_over', at: AT });
  for (const paymentId of [settled.byProvider, settled.byWallet, holding])
    expect(await give(paymentId)).toBe(false);
  expect(await give(partly.byWallet, partly.command)).toBe(true);
  expect(await give(returned)).toBe(true);
  expect(await posted()).toBe(before);
});

test('what a refund owes waits outside a wallet that has no room for it', async () => {
  const before = await posted();
  await topUp(sql, walletId, BALANCE_LIMIT - before - 199);
  await expect(give(owing.byProvider, owing.command)).rejects.toThrow(WalletFullError);
  expect(await posted()).toBe(BALANCE_LIMIT - 199);
});

test('what a refund owes is given once, and recorded as given to the wallet', async () => {
  const { owing: other, walletId: otherWallet } = await openShopWithPayments({ database, sql });
  const read = async () => (await sql`select posted from wallet where id = ${otherWallet}`)[0]?.['posted'];
  const before = Number(await read());
  expect(
    await Promise.all([give(other.byProvider, other.command), give(other.byProvider, other.command)]),
  ).toEqual([true, true]);
  expect(await read()).toBe(before + 200);
  expect(await markRefundSent(database, { paymentId: other.byProvider, commandId: other.command })).toBe(
    'to_wallet',
  );
  expect(await read()).toBe(before + 200);
});
