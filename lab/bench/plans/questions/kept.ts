/** What is asked about what is kept: the audit, personal data, and months. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { readChain, readDrops, readEnds, readHash, readUnsealed } from '../../../../db/audit/chain-pages.ts';
import { readMatching } from '../../../../db/audit/export.ts';
import { listAudit } from '../../../../db/audit/read.ts';
import { sealRows } from '../../../../db/audit/seal.ts';
import { compareSources } from '../../../../db/audit/sources.ts';
import { listOrders, listWithoutEvents } from '../../../../db/orders.ts';
import { dropOldestMonth, makeMonths, tablesInMonths } from '../../../../db/partitions.ts';
import {
  countByKey,
  recordRotation,
  rotateIndex,
  rotateWrapping,
} from '../../../../db/personal-data-rotation.ts';
import { listErasures } from '../../../../db/personal-data-erasures.ts';
import { recordOrderDetail } from '../../../../db/order-detail.ts';
import { erasePersonalData, findPersonalData, recordPersonalData } from '../../../../db/personal-data.ts';
import { requirePrepared } from '../../../../db/prepared.ts';
import { limitTo } from '../../../../db/reach.ts';
import { recordSettings } from '../../../../db/settings-seen.ts';
import type { KeyRing } from '../../../../domain/key-ring.ts';
import type { PersonalDataKeys } from '../../../../domain/personal-data-keys.ts';
import { nth } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

const READERS = ['shop', 'installation', 'empty shop'] as const;
const PAGE = 21;
const DAY = 86_400_000;

const ring = (): KeyRing => [{ name: 'new', key: createSecretKey(randomBytes(32)) }];
const KEYS: PersonalDataKeys = { wrapping: ring(), index: ring() };

class EnoughError extends Error {}

async function pageOf<T>(pages: AsyncGenerator<T>): Promise<T | undefined> {
  for await (const page of pages) return page;
  return undefined;
}

/** The first page of what goes on until all is done. */
async function firstPage(run: (report: () => void) => Promise<unknown>): Promise<void> {
  try {
    await run(() => {
      throw new EnoughError();
    });
  } catch (error) {
    if (!(error instanceof EnoughError)) throw error;
  }
}

export const ABOUT_WHAT_IS_KEPT: readonly Question[] = [
  ...(['first page', 'later page'] as const).flatMap((page) =>
    askedBy(READERS, {
      name: `audit, ${page}`,
      by: [listAudit],
      ask: (database) =>
        listAudit(database, {}, { before: page === 'first page' ? undefined : 5_000, limit: PAGE }),
    }),
  ),
  ...askedBy(READERS, {
    name: 'audit of an order',
    by: [listAudit],
    ask: (database, { orders }, turn) =>
      listAudit(database, { orderId: nth(orders.paid, turn).id }, { before: undefined, limit: PAGE }),
  }),
  ...askedBy(READERS, {
    name: 'audit of a subject',
    by: [listAudit],
    ask: (database, { orders }, turn) =>
      listAudit(database, { subject: nth(orders.paid, turn).id }, { before: undefined, limit: PAGE }),
  }),
  ...askedBy(READERS, {
    name: 'audit of a caller',
    by: [listAudit],
    ask: (database) => listAudit(database, { actor: 'key:caller-7' }, { before: undefined, limit: PAGE }),
  }),
  ...askedBy(READERS, {
    name: 'audit of a caller who did nothing',
    by: [listAudit],
    ask: (database) => listAudit(database, { actor: 'key:nobody' }, { before: undefined, limit: PAGE }),
  }),
  ...askedBy(READERS, {
    name: 'audit of a kind',
    by: [listAudit],
    ask: (database) => listAudit(database, { kind: 'api_key' }, { before: undefined, limit: PAGE }),
  }),
  ...askedBy(READERS, {
    name: 'audit of a day',
    by: [listAudit],
    ask: (database, { until }) =>
      listAudit(
        database,
        { from: new Date(Date.parse(until) - 60 * DAY), to: new Date(Date.parse(until) - 59 * DAY) },
        { before: undefined, limit: PAGE },
      ),
  }),
  {
    name: 'the first page of the chain of the audit',
    by: [readChain],
    as: 'holdfast',
    ask: (database) => pageOf(readChain(database)),
  },
  { name: 'the ends of the audit', by: [readEnds], as: 'holdfast', ask: (database) => readEnds(database) },
  {
    name: 'what waits to be sealed',
    by: [readUnsealed],
    as: 'holdfast',
    ask: (database) => readUnsealed(database),
  },
  { name: 'what was just dropped', by: [readDrops], as: 'holdfast', ask: (database) => readDrops(database) },
  {
    name: 'the hash of a row of the audit',
    by: [readHash],
    as: 'holdfast',
    ask: (database, _, turn) => readHash(database, 5_000 + turn),
  },
  { name: 'seal the audit', by: [sealRows], as: 'holdfast', ask: (database) => sealRows(database, 0) },
  {
    name: 'the audit of a period, the first page of an export',
    by: [readMatching],
    as: 'holdfast',
    ask: (database, { until }) => {
      const period = {
        from: new Date(Date.parse(until) - 60 * DAY),
        to: new Date(Date.parse(until) - 59 * DAY),
      };
      return pageOf(readMatching(database, {}, period));
    },
  },
  {
    name: 'compare the audit with what it is about, a page',
    by: [compareSources],
    as: 'holdfast',
    ask: (database) => pageOf(compareSources(database)),
  },
  {
    name: 'whose data was erased, a page',
    by: [listErasures],
    as: 'holdfast',
    ask: (database) => pageOf(listErasures(database)),
  },
  {
    name: 'record the settings of a process',
    by: [recordSettings],
    as: 'holdfast',
    ask: (database, _, turn) =>
      recordSettings(
        database,
        'bench',
        { turn },
        {
          signal: new AbortController().signal,
          report: (error) => {
            throw error;
          },
        },
      ),
  },
  {
    name: 'record personal data, and find it as the shop',
    by: [recordPersonalData, findPersonalData],
    as: 'holdfast',
    ask: async (database, _, turn) => {
      const orderId = uuidv7();
      const data = { contact: { email: 'ada@example.com' } };
      await recordPersonalData(database, KEYS, {
        orderId,
        shopId: 'main',
        buyerId: `new-buyer-${turn}`,
        data,
      });
      await findPersonalData(limitTo(database, { shop: 'main' }), KEYS, orderId);
    },
  },
  {
    name: "record an order's reference and metadata",
    by: [recordOrderDetail],
    as: 'shop',
    ask: (database) =>
      recordOrderDetail(database, {
        orderId: uuidv7(),
        shopId: 'main',
        buyerId: 'buyer-0',
        reference: 'bench',
        metadata: { channel: 'app' },
      }),
  },
  {
    name: 'orders with an e-mail address',
    by: [listOrders],
    as: 'shop',
    ask: (database) =>
      listOrders(
        database,
        { placedWith: { shopId: 'main', emailIndexes: [randomBytes(32), randomBytes(32)] } },
        { before: undefined, limit: PAGE },
      ),
  },
  {
    name: 'erase a buyer',
    by: [erasePersonalData],
    as: 'shop',
    ask: (database, _, turn) =>
      erasePersonalData(database, { shopId: 'main', buyerId: `buyer-${200 + 2 * turn}`, why: 'bench' }),
  },
  {
    name: 'rotate the keys of buyers, a page',
    by: [rotateWrapping],
    as: 'holdfast',
    ask: (database) => firstPage((report) => rotateWrapping(database, KEYS, report)),
  },
  {
    name: 'rotate the index of addresses, a page',
    by: [rotateIndex],
    as: 'holdfast',
    ask: (database) => firstPage((report) => rotateIndex(database, KEYS, report)),
  },
  {
    name: 'count what each key of personal data is needed for',
    by: [countByKey, recordRotation],
    as: 'holdfast',
    ask: async (database) => {
      const uses = await countByKey(database);
      await recordRotation(database, uses, uses);
    },
  },
  {
    name: 'which orders have no events any more',
    by: [listWithoutEvents],
    as: 'holdfast',
    ask: (database, { orders }) =>
      listWithoutEvents(
        database,
        orders.paid.map(({ id }) => id),
      ),
  },
  {
    name: 'months: which tables, make what is missing, drop none',
    by: [tablesInMonths, makeMonths, dropOldestMonth],
    as: 'holdfast',
    ask: async (database, { until }) => {
      await tablesInMonths(database);
      await makeMonths(database, { table: 'order_event', at: until });
      await dropOldestMonth(database, { table: 'order_event', before: '2000-01-01T00:00:00Z' });
    },
  },
  {
    name: 'whether the database is migrated',
    by: [requirePrepared],
    as: 'holdfast',
    ask: (database) => requirePrepared(database),
  },
];
