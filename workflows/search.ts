/**
 * Keeps the search attributes of a workflow true. Each change costs an event, so only what differs is written, and what is true of nearly
 * every workflow is set by who starts it: client/start.ts.
 */
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import {
  SEARCH_ATTRIBUTES,
  SEARCH_ATTRIBUTE_NAMES,
  noSearchPair,
  searchPair,
  type SearchAttribute,
} from '../domain/search-attributes.ts';

/** Null: absent. Times are ISO 8601. */
export type Searched = Partial<Record<SearchAttribute, string | null>>;

/** A clock that is off by less is nobody's concern. */
const SAME_TIME_MS = 5_000;

/**
 * Call it when the workflow begins; what it returns writes what differs. One that was started without search attributes, as all were before
 * 0.10, never writes any: its history has no such event, and its namespace may not know them.
 */
export function openSearch(): (searched: Searched) => void {
  const known = readStarted();
  if (known.get('HoldfastShop') === null) return () => {};
  return (searched) => {
    const changed = SEARCH_ATTRIBUTE_NAMES.flatMap((name) => {
      const value = searched[name];
      if (value === undefined || isSame(name, known.get(name) ?? null, value)) return [];
      known.set(name, value);
      return [value === null ? noSearchPair(name) : searchPair(name, value)];
    });
    if (changed.length > 0) upsertSearchAttributes(changed);
  };
}

function readStarted(): Map<SearchAttribute, string | null> {
  const { typedSearchAttributes: started } = workflowInfo();
  return new Map(
    SEARCH_ATTRIBUTE_NAMES.map((name) => {
      const type = SEARCH_ATTRIBUTES[name];
      const value =
        type === 'DATETIME' ? started.get({ name, type })?.toISOString() : started.get({ name, type });
      return [name, value ?? null];
    }),
  );
}

function isSame(name: SearchAttribute, known: string | null, value: string | null): boolean {
  if (known === value) return true;
  if (known === null || value === null || SEARCH_ATTRIBUTES[name] !== 'DATETIME') return false;
  return Math.abs(Date.parse(known) - Date.parse(value)) <= SAME_TIME_MS;
}
