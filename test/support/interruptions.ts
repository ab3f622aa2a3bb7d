/**
 * Interrupts chosen statements of chosen steps, between a worker and its real PostgreSQL.
 *
 * It wraps the worker's database, and not its activities: so a statement is interrupted where a network would do it, below
 * everything that the project's code does with an answer, and both ways of running a step (local and regular activity)
 * pass through it. The activity that sends a statement says which step it is, and the ids among its parameters which order.
 */
import { activityInfo } from '@temporalio/activity';
import type { RecordActivities, StepActivities } from '../../activities/order.ts';
import type { WakingPaymentsActivities } from '../../activities/payments/wake.ts';
import type { DatabasePool } from '../../db/connection.ts';
import { DatabaseSilentError } from '../../db/errors.ts';
import { ormOn, type Queryable, type Sql } from '../../db/postgres.ts';
import { until } from './until.ts';

/** What sends statements: an order's steps, the notes on them, and what wakes its payments. */
type Sender = keyof StepActivities | keyof RecordActivities | keyof WakingPaymentsActivities;

/** What happens to one statement. In all cases but the last, its sender sees a failure. */
export type Interruption =
  | 'fails before it is sent'
  | 'commits but loses its answer'
  /** Given up at its deadline, and carried out only when the test says so. */
  | 'commits late'
  /** A twin has had the effect and is about to commit when the statement is sent. */
  | 'runs twice at once';

export interface Plan {
  /** How many statements were interrupted so far. */
  happened(): number;
  /** Lets all further statements through. */
  stop(): void;
  /** Carries out what was held back, at once, and resolves with the number of statements when all have committed. */
  land(): Promise<number>;
}

export interface Interruptions {
  /** For `startSystem`. */
  between: (database: DatabasePool) => DatabasePool;
  /**
   * Interrupts the next statements of a sender that name an id, one after the other. Before a caller knows its order's id, the
   * wallet's names it as well.
   */
  interrupt: (sender: Sender, id: string, interruptions: Iterable<Interruption>) => Plan;
}

interface OpenPlan {
  sender: Sender;
  id: string;
  next: () => Interruption | undefined;
  late: Statement[];
}

/** Makes the statement, for a pool or for a transaction. */
type Statement = (sql: Queryable) => PromiseLike<unknown>;

/** The same interruption until the plan is stopped. */
export function* always(interruption: Interruption): Generator<Interruption> {
  for (;;) yield interruption;
}

export function interruptions(): Interruptions {
  let plans: readonly OpenPlan[] = [];
  let real: DatabasePool | null = null;

  /** Sends a statement as if nothing were between. */
  const send = async (statement: Statement): Promise<unknown> => {
    if (real === null) throw new Error('No worker uses this database.');
    return real.run(({ sql }) => statement(sql));
  };

  async function carryOut(plan: OpenPlan, interruption: Interruption, statement: Statement) {
    switch (interruption) {
      case 'fails before it is sent':
        throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      case 'commits but loses its answer':
        await send(statement);
        throw new DatabaseSilentError();
      case 'commits late':
        plan.late.push(statement);
        throw new DatabaseSilentError();
      case 'runs twice at once':
        return besideItsTwin(statement);
    }
  }

  /** The statement waits for its twin's commit: nothing else shows that the two overlap. */
  async function besideItsTwin(statement: Statement): Promise<unknown> {
    if (real === null) throw new Error('No worker uses this database.');
    const { promise: sent, resolve: begin } = Promise.withResolvers<Promise<unknown>>();
    const twin = real.run(({ sql }) =>
      sql.begin(async (held) => {
        await statement(held);
        const second = send(statement);
        begin(second);
        const ended = second.then(
          () => true,
          () => true,
        );
        await until('the twin to be waited for', () => Promise.race([ended, isWaitedFor(held)]));
      }),
    );
    // The first failure counts: when the twin fails, the statement may never be sent.
    const [answer] = await Promise.all([sent.then((second) => second), twin]);
    return answer;
  }

  /** What was planned for a statement with these parameters. */
  function planFor(parameters: unknown): { plan: OpenPlan; interruption: Interruption } | undefined {
    const { activityType } = activityInfo();
    for (const plan of plans) {
      if (plan.sender !== activityType || !names(parameters, plan.id)) continue;
      const interruption = plan.next();
      if (interruption) return { plan, interruption };
    }
    return undefined;
  }

  /** Interrupts a query when it is awaited, not when it is made: a part of another statement is made alike, and never sent. */
  function watch(sql: Sql, statement: Statement, parameters: unknown): PromiseLike<unknown> {
    const query = statement(sql);
    const sendIt = query.then.bind(query);
    const sendOrInterrupt = (): PromiseLike<unknown> => {
      const planned = planFor(parameters);
      return planned ? carryOut(planned.plan, planned.interruption, statement) : sendIt();
    };
    let outcome: PromiseLike<unknown> | undefined;
    const then: typeof sendIt = (onAnswer, onError) =>
      (outcome ??= sendOrInterrupt()).then(onAnswer, onError);
    return new Proxy(query, {
      get: (target, name): unknown => (name === 'then' ? then : Reflect.get(target, name)),
    });
  }

  const spyOn = (sql: Sql): Sql =>
    new Proxy(sql, {
      apply(target, _, args: unknown[]) {
        const statement: Statement = (to) => Reflect.apply(to, undefined, args);
        return isTemplate(args[0]) ? watch(target, statement, args.slice(1)) : statement(target);
      },
      // Drizzle's statements.
      get(target, name) {
        if (name !== 'unsafe') return Reflect.get(target, name);
        return (...args: Parameters<Sql['unsafe']>) =>
          watch(target, (to) => to.unsafe(...args), args.slice(1));
      },
    });

  return {
    between(database) {
      real = database;
      return {
        ...database,
        run: (query) =>
          database.run(({ sql }) => {
            const spied = spyOn(sql);
            return query({ sql: spied, orm: ormOn(spied) });
          }),
      };
    },
    interrupt(sender, id, planned) {
      const iterator = planned[Symbol.iterator]();
      let happened = 0;
      const plan: OpenPlan = {
        sender,
        id,
        late: [],
        next: () => {
          const { done, value } = iterator.next();
          if (done) return undefined;
          happened += 1;
          return value;
        },
      };
      plans = [...plans, plan];
      return {
        happened: () => happened,
        stop: () => {
          plans = plans.filter((other) => other !== plan);
        },
        land: async () => (await Promise.all(plan.late.splice(0).map((statement) => send(statement)))).length,
      };
    },
  };
}

const isTemplate = (value: unknown): boolean => Array.isArray(value) && 'raw' in value;

/** Whether an id is among a statement's parameters, also inside a JSON document, a list or a part of the statement. */
function names(parameters: unknown, id: string): boolean {
  if (typeof parameters === 'string') return parameters.includes(id);
  if (Array.isArray(parameters)) return parameters.some((parameter) => names(parameter, id));
  return (
    typeof parameters === 'object' &&
    parameters !== null &&
    'args' in parameters &&
    names(parameters.args, id)
  );
}

async function isWaitedFor(held: Queryable): Promise<boolean> {
  const [row] = await held<{ waits: boolean }[]>`
    select exists (
      select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))
    ) as waits
  `;
  return row?.waits ?? false;
}
