/** What a question is: something that the product asks the database. */
import type { LongDatabase } from '../../../db/database.ts';
import { limitTo } from '../../../db/reach.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../../domain/shops.ts';
import type { Facts } from './facts.ts';
import { EMPTY_SHOP } from './fill.ts';

/** Kinds of callers, each with a role and policies of its own; a shop that has nothing; and Holdfast itself, which is not limited. */
export const ASKERS = ['shop', 'buyer', 'installation', 'empty shop', 'holdfast'] as const;
export type Asker = (typeof ASKERS)[number];

/** A function of db/ that asks the database. */
export type QueryFunction = (...args: never[]) => unknown;

export interface Question {
  name: string;
  /** The functions that ask it. */
  by: readonly QueryFunction[];
  as: Asker;
  /** @param turn 0, 1, 2 and so on: a question about one row is about another one each time. */
  ask: (database: LongDatabase, facts: Facts, turn: number) => Promise<unknown>;
}

/** The database as the asker sees it. */
export function databaseOf(
  asker: Asker,
  database: LongDatabase,
  { buyer }: Pick<Facts, 'buyer'>,
): LongDatabase {
  const runLong: LongDatabase['runLong'] = (milliseconds, query) => database.runLong(milliseconds, query);
  switch (asker) {
    case 'holdfast':
      return database;
    case 'shop':
      return Object.assign(limitTo(database, { shop: MAIN_SHOP }), { runLong });
    case 'empty shop':
      return Object.assign(limitTo(database, { shop: EMPTY_SHOP }), { runLong });
    case 'buyer':
      return Object.assign(limitTo(database, { shop: MAIN_SHOP, buyer: buyer.id }), { runLong });
    case 'installation':
      return Object.assign(limitTo(database, { shop: ALL_SHOPS }), { runLong });
  }
}

/** The same question of several askers. */
export const askedBy = (askers: readonly Asker[], question: Omit<Question, 'as'>): Question[] =>
  askers.map((as) => ({ ...question, as }));
