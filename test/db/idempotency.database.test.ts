/** Whose an idempotency key is, and who works on its call. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { claimKey, keepAnswer, releaseKey, type Claim, type KeyedCall } from '../../db/idempotency.ts';
import { inMonths } from '../support/months.ts';
import { plantIdempotencyKey } from '../support/planted.ts';
import { freshDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const { database, sql } = await freshDatabase();

const aCall = (its: Partial<KeyedCall> = {}): KeyedCall => ({
  caller: 'key:one',
  shop: 'main',
  operation: 'createOrder',
  key: randomUUID(),
  fingerprint: 'f',
  earlierFingerprint: 'e',
  requestId: 'r',
  ...its,
});
const claim = (call: KeyedCall) => claimKey(database, call, uuidv7());

/** What was claimed. */
function claimedOf(its: Claim) {
  if (its.state !== 'claimed') throw new Error(`The call is ${its.state}.`);
  return its;
}

/** Answers a call that was claimed. */
const answer = (its: Claim, body: string) => keepAnswer(database, claimedOf(its).kept, { status: 201, body });

/** As if the process that works on the call had been killed some time ago. */
const expire = ({ key }: KeyedCall) =>
  sql`update idempotency_key set claimed_until = now() where key = ${key} and response_status is null`;

const commandIdOf = (its: Claim) => ('commandId' in its ? its.commandId : undefined);

describe('the same key', () => {
  test.each([
    ['of two callers', { caller: 'key:two' }],
    ['of two callers whose names differ in what separates them', { caller: 'key:one ' }],
    ['for two operations', { operation: 'payOrder' }],
  ])('%s is two keys, each with its own work and answer', async (_, other) => {
    const [call, another] = [aCall(), aCall(other)];
    another.key = call.key;
    const [first, second] = [await claim(call), await claim(another)];
    expect(claimedOf(first).commandId).not.toBe(claimedOf(second).commandId);
    await answer(first, '{"of":"first"}');
    expect(await claim(another)).toEqual({ state: 'in_progress' });
    await answer(second, '{"of":"second"}');
    expect(await claim(call)).toMatchObject({ state: 'answered', answer: { body: '{"of":"first"}' } });
    expect(await claim(another)).toMatchObject({ state: 'answered', answer: { body: '{"of":"second"}' } });
  });

  test('of one caller in another shop is refused, before and after the first call was answered', async () => {
    const call = aCall();
    const elsewhere = { ...call, shop: 'other' };
    const first = await claim(call);
    expect(await claim(elsewhere)).toEqual({ state: 'reused' });
    await expire(call);
    expect(await claim(elsewhere)).toEqual({ state: 'reused' });
    await answer(first, '{}');
    expect(await claim(elsewhere)).toEqual({ state: 'reused' });
  });

  test('claimed 100 times at once is claimed once', async () => {
    const call = aCall();
    const claims = await Promise.all(Array.from({ length: 100 }, () => claim(call)));
    expect(claims.filter(({ state }) => state === 'claimed')).toHaveLength(1);
    expect(claims.filter(({ state }) => state === 'in_progress')).toHaveLength(99);
  });

  test('whose request died is taken over by one of 100, under the first id', async () => {
    const call = aCall();
    const first = await claim(call);
    await expire(call);
    const claims = await Promise.all(Array.from({ length: 100 }, () => claim(call)));
    expect(claims.flatMap((its) => commandIdOf(its) ?? [])).toEqual([commandIdOf(first)]);
  });

  test.each([['key:one'], ['']])(
    'whose request died is not taken over by another request, when its caller is "%s"',
    async (caller) => {
      const call = aCall({ caller });
      const commandId = await plantIdempotencyKey(sql, { ...call, status: null, age: '1 minute' });
      expect(await claim({ ...call, fingerprint: 'another' })).toEqual({ state: 'reused' });
      const earlier = { ...call, fingerprint: 'of 0.6', earlierFingerprint: call.fingerprint };
      expect(await claim(earlier)).toMatchObject({ state: 'claimed', commandId });
    },
  );

  test('answered by two requests has the answer of the first, byte for byte', async () => {
    const call = aCall();
    const first = await claim(call);
    await expire(call);
    const second = await claim(call);
    const body = '{"b":1,  "a":"\\u00e9","10":2,"9":3,"n":12345678901234567890}';
    expect(await answer(first, body)).toEqual({ status: 201, body });
    expect(await answer(second, '{"b":2}')).toEqual({ status: 201, body });
    expect(await claim(call)).toMatchObject({ answer: { status: 201, body } });
  });
});

describe('over the end of a month', () => {
  const claimIn = (call: KeyedCall, month: number) =>
    claimKey(database, call, uuidv7({ msecs: inMonths(month).getTime() }));
  const rowsOf = async ({ key }: KeyedCall) => {
    const rows = await sql<{ month: string; status: number | null }[]>`
      select month, response_status as status from idempotency_key where key = ${key}
    `;
    return [...rows];
  };

  test.each([2, 3])(
    'the same key claimed 100 times at once in %i months is claimed once, in one of them',
    async (count) => {
      const call = aCall();
      const claims = await Promise.all(
        Array.from({ length: 100 }, (_, index) => claimIn(call, index % count)),
      );
      expect(claims.filter(({ state }) => state === 'claimed')).toHaveLength(1);
      expect(claims.filter(({ state }) => state === 'in_progress')).toHaveLength(99);
      expect(await rowsOf(call)).toHaveLength(1);
    },
  );

  test('the same key claimed in two months in the very same moment is claimed once', async () => {
    const call = aCall();
    const partitions = await sql<{ name: string }[]>`
      select partition::text as name from month_partition where table_name = 'idempotency_key' and not is_default
    `;
    let claims: Promise<Claim[]> | undefined;
    await sql.begin(async (meanwhile) => {
      // A claimant can look for the key, and gets no row before all of them have looked or wait for another.
      for (const { name } of partitions) await meanwhile`lock table ${meanwhile(name)} in share mode`;
      claims = Promise.all([0, 1, 0, 1].map((month) => claimIn(call, month)));
      await until('all of them to wait', async () => {
        const [waiting] = await meanwhile<{ count: number }[]>`
          select count(distinct pid)::integer as count from pg_locks where not granted and pid in (
            select pid from pg_stat_activity where datname = current_database()
          )
        `;
        return waiting?.count === 4;
      });
    });
    const states = (await claims)?.map(({ state }) => state).toSorted();
    expect(states).toEqual(['claimed', 'in_progress', 'in_progress', 'in_progress']);
    expect(await rowsOf(call)).toHaveLength(1);
  });

  test('and whose request died is taken over by one of 100 in its own month, and answered there', async () => {
    const call = aCall();
    const first = await claimIn(call, 1);
    await expire(call);
    const claims = await Promise.all(Array.from({ length: 100 }, (_, index) => claimIn(call, index % 3)));
    const [taken, ...others] = claims.filter(({ state }) => state === 'claimed');
    if (!taken) throw new Error('Nobody took the key over.');
    expect(others).toEqual([]);
    expect(commandIdOf(taken)).toBe(commandIdOf(first));
    await answer(taken, '{"of":"both"}');
    for (const month of [0, 1, 2])
      expect(await claimIn(call, month)).toMatchObject({
        state: 'answered',
        answer: { body: '{"of":"both"}' },
      });
    expect(await rowsOf(call)).toEqual([
      {
        month: inMonths(1)
          .toISOString()
          .replace(/-15T.*/, '-01'),
        status: 201,
      },
    ]);
  });

  test('a claim that is given back in one month is taken in the next, and answered by either', async () => {
    const call = aCall();
    const first = await claimIn(call, 0);
    await releaseKey(database, claimedOf(first).kept);
    const second = await claimIn(call, 1);
    expect(claimedOf(second)).toEqual(first);
    expect(await answer(second, '{"of":"second"}')).toEqual(await answer(first, '{"of":"first"}'));
    expect(await rowsOf(call)).toHaveLength(1);
  });

  test('a key from before 0.6 is taken over in its month by one of 100 callers of another', async () => {
    const call = aCall();
    const commandId = await plantIdempotencyKey(sql, { ...call, caller: '', status: null });
    const claims = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        claimIn({ ...call, caller: `key:${index % 3}` }, 1 + (index % 2)),
      ),
    );
    const taken = claims.filter(({ state }) => state === 'claimed');
    expect(taken.map(commandIdOf)).toEqual([commandId]);
    expect(await rowsOf(call)).toEqual([
      {
        month: inMonths(0)
          .toISOString()
          .replace(/-15T.*/, '-01'),
        status: null,
      },
    ]);
  });
});

describe('a key from before 0.6, which has no caller,', () => {
  const planted = async (its: { status?: number | null; shop?: string; age?: string } = {}) => {
    const call = aCall();
    const commandId = await plantIdempotencyKey(sql, { ...call, caller: '', body: '{"of":"0.5"}', ...its });
    return { call, commandId };
  };
  const rows = ({ key }: KeyedCall) => sql`select caller from idempotency_key where key = ${key}`;

  test.each(['key:one', 'jwt:https://id.example/:b'])(
    'gives its answer to a retry by %s, also at 20 at once, and nobody works on it again',
    async (caller) => {
      const { call, commandId } = await planted();
      const claims = await Promise.all(Array.from({ length: 20 }, () => claim({ ...call, caller })));
      const kept = { state: 'answered', commandId, answer: { status: 201, body: '{"of":"0.5"}' } };
      expect(claims).toEqual(Array.from({ length: 20 }, () => kept));
      expect([...(await rows(call))]).toEqual([{ caller: '' }]);
    },
  );

  test('is refused for another request, as before', async () => {
    const { call } = await planted();
    expect(await claim({ ...call, fingerprint: 'another' })).toEqual({ state: 'reused' });
    expect(await rows(call)).toHaveLength(1);
  });

  test('and has no answer is taken over by one retry under its first id, and answered for all', async () => {
    const { call, commandId } = await planted({ status: null });
    const callers = ['key:one', 'key:two'];
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, index) => claim({ ...call, caller: callers[index % 2] ?? '' })),
    );
    const taken = claims.filter(({ state }) => state === 'claimed');
    expect(taken.map(commandIdOf)).toEqual([commandId]);
    expect(claims.filter(({ state }) => state === 'in_progress')).toHaveLength(19);
    const [first] = taken;
    if (!first) throw new Error('Nobody took the key over.');
    await releaseKey(database, claimedOf(first).kept);
    const again = await claim({ ...call, caller: 'key:two' });
    expect(commandIdOf(again)).toBe(commandId);
    await answer(again, '{"of":"0.6"}');
    expect(await claim(call)).toMatchObject({ state: 'answered', answer: { body: '{"of":"0.6"}' } });
    expect([...(await rows(call))]).toEqual([{ caller: '' }]);
  });

  test('and whose request is being worked on keeps retries out', async () => {
    const { call } = await planted({ status: null, age: '-3 seconds' });
    expect(await claim(call)).toEqual({ state: 'in_progress' });
  });

  test('belongs to its shop: in another shop the same key is a new one', async () => {
    const { call, commandId } = await planted();
    const elsewhere = await claim({ ...call, shop: 'other' });
    expect(claimedOf(elsewhere).commandId).not.toBe(commandId);
    expect(await claim({ ...call, caller: 'key:two' })).toMatchObject({ state: 'answered', commandId });
  });
});
