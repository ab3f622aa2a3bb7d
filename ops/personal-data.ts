/** `npm run personal-data`: changes the keys of personal data and erases buyers, with nothing but access to the database. */
import type { DatabasePool } from '../db/connection.ts';
import { defineCommand, defineVerb, runVerbs, toVerb } from '../cli/command.ts';
import { UserError } from '../cli/user-error.ts';
import { listErasures, type PastErasure } from '../db/personal-data-erasures.ts';
import {
  countByKey,
  recordRotation,
  rotateIndex,
  rotateWrapping,
  type KeyUse,
  type Rotated,
} from '../db/personal-data-rotation.ts';
import { erasePersonalData } from '../db/personal-data.ts';
import type { KeyRing } from '../domain/key-ring.ts';
import type { PersonalDataKeys } from '../domain/personal-data-keys.ts';
import { TEXT, findFlaw, trimText, type TextRule } from '../domain/text.ts';
import { databaseSettings, personalDataSettings } from '../settings.ts';
import { readLines } from './audit-lines.ts';
import { systemEnvironment } from './environment.ts';
import { withDatabase } from './with-database.ts';

const rotate = defineVerb({
  name: 'rotate',
  summary:
    "Encrypts every buyer's key with the first of PERSONAL_DATA_KEYS, and indexes every address with the first of PERSONAL_DATA_INDEX_KEYS. The API may run; an interrupted run is continued by the next.",
  failed: 'a key is missing, so that something stays as it was',
});

const status = defineVerb({
  name: 'status',
  summary: 'Says for each key how much it is needed for.',
  failed: 'a key that is needed is missing in the settings',
});

const erase = defineVerb({
  name: 'erase',
  summary:
    "Erases the personal data of a buyer's orders so far, for good. Orders, payments and the audit stay.",
})
  .argument('<buyer>', 'the buyerId of the orders')
  .requiredOption('--shop <shop>', 'the shop of the orders')
  .requiredOption('--reason <text>', 'why, for the audit');

const eraseAgain = defineVerb({
  name: 'erase-again',
  summary:
    'Repeats the erasures of the audit in a database that was restored from a backup, before the API is started on it. Buyers who ordered since are spared.',
}).option(
  '--file <export>',
  'an export of the audit that is newer than the backup; of the restored database unless given',
);

await runVerbs(
  defineCommand({
    name: 'personal-data',
    summary: 'Changes the keys of personal data, and erases buyers. It shows nothing of what is encrypted.',
  }),
  toVerb(rotate, () =>
    withKeys(async (database, keys) => {
      const before = await countByKey(database);
      const wrapping = await rotateWrapping(database, keys, ({ moved }) => report(`${moved} buyers' keys`));
      const index = await rotateIndex(database, keys, ({ moved }) => report(`${moved} addresses`));
      const after = await countByKey(database);
      if (wrapping.moved + index.moved > 0) await recordRotation(database, before, after);
      for (const line of [
        describeRotation(`buyers' keys were encrypted with ${keys.wrapping[0].name}`, wrapping),
        describeRotation(`addresses were indexed with ${keys.index[0].name}`, index),
        ...describeUses(keys, after),
      ])
        console.log(line);
      if (wrapping.failed + index.failed > 0) return 'failed';
    }),
  ),
  toVerb(status, () =>
    withKeys(async (database, keys) => {
      const uses = await countByKey(database);
      for (const line of describeUses(keys, uses)) console.log(line);
      if (uses.some((use) => !isKnown(keys, use))) return 'failed';
    }),
  ),
  toVerb(erase, async ({ shop: shopId, reason }, given) => {
    const buyerId = readText('buyer', given, TEXT.party);
    const why = readText('reason', reason, TEXT.reason);
    const orders = await inDatabase((database) => erasePersonalData(database, { shopId, buyerId, why }));
    console.log(orders === 0 ? 'There was nothing to erase.' : `Erased from ${countOrders(orders)}.`);
  }),
  toVerb(eraseAgain, ({ file }) =>
    inDatabase(async (database) => {
      const [buyers, orders] = await repeat(
        database,
        file === undefined ? listErasures(database) : erasuresIn(file),
      );
      console.log(`Erased again from ${countOrders(orders)} of ${buyers} buyers.`);
    }),
  ),
);

/** @throws {UserError} for a file that is no export of the audit. */
async function* erasuresIn(file: string): AsyncGenerator<PastErasure[]> {
  for await (const { kind, shopId, subject, recordedAt } of readLines(file))
    if (kind === 'personal_data' && shopId !== null)
      yield [{ shopId, buyerId: subject, doneAt: new Date(recordedAt) }];
}

async function repeat(
  database: DatabasePool,
  pages: AsyncIterable<readonly PastErasure[]>,
): Promise<[buyers: number, orders: number]> {
  let [buyers, orders] = [0, 0];
  for await (const page of pages)
    for (const erasure of page) {
      const count = await erasePersonalData(database, { ...erasure, why: 'erased again after a restore' });
      orders += count;
      if (count > 0) buyers += 1;
    }
  return [buyers, orders];
}

function inDatabase<T>(work: (database: DatabasePool) => Promise<T>): Promise<T> {
  return withDatabase(databaseSettings(systemEnvironment(process.env)), 'personal-data', work);
}

function withKeys<T>(work: (database: DatabasePool, keys: PersonalDataKeys) => Promise<T>): Promise<T> {
  const { personalData } = personalDataSettings(systemEnvironment(process.env));
  if (personalData === undefined)
    throw new UserError('Set PERSONAL_DATA_KEYS and PERSONAL_DATA_INDEX_KEYS as the API has them.');
  return inDatabase((database) => work(database, personalData));
}

function readText(what: string, given: string, rule: TextRule): string {
  const text = trimText(given, rule);
  const flaw = findFlaw(text, rule);
  if (flaw !== null) throw new UserError(`The ${what} ${flaw}.`);
  return text;
}

/** Over itself: a rotation has thousands of pages. */
function report(soFar: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${soFar} so far`);
}

function countOrders(count: number): string {
  return count === 1 ? '1 order' : `${count} orders`;
}

function describeRotation(what: string, { moved, failed, reason }: Rotated): string {
  return failed === 0 ? `${moved} ${what}.` : `${moved} ${what}; ${failed} could not be: ${reason ?? ''}`;
}

function ringOf({ wrapping, index }: PersonalDataKeys, use: KeyUse['use']): KeyRing {
  return use === 'wrapping' ? wrapping : index;
}

function isKnown(keys: PersonalDataKeys, { use, name }: KeyUse): boolean {
  return ringOf(keys, use).some((key) => key.name === name);
}

/** A line for each key of the settings or the database: where it is set, its name, what needs it, and what that means. */
function describeUses(keys: PersonalDataKeys, uses: readonly KeyUse[]): string[] {
  const known = (['wrapping', 'index'] as const).flatMap((use) =>
    ringOf(keys, use).map(({ name }) => ({
      use,
      name,
      count: uses.find((one) => one.use === use && one.name === name)?.count ?? 0,
    })),
  );
  return [...known, ...uses.filter((use) => !isKnown(keys, use))].map(({ use, name, count }) =>
    [
      use === 'wrapping' ? 'PERSONAL_DATA_KEYS' : 'PERSONAL_DATA_INDEX_KEYS',
      name,
      `${count} ${use === 'wrapping' ? "buyers' keys" : 'addresses'}`,
      describeState(keys, { use, name, count }),
    ].join('  '),
  );
}

function describeState(keys: PersonalDataKeys, use: KeyUse): string {
  if (!isKnown(keys, use)) return 'MISSING in the settings';
  if (ringOf(keys, use.use)[0].name === use.name) return 'current';
  return use.count === 0 ? 'needed no longer' : 'still needed: rotate';
}
