/** Makes Temporal know the search attributes, and starts workflows also where it does not. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import {
  SEARCH_ATTRIBUTES,
  SEARCH_ATTRIBUTE_NAMES,
  type SearchAttribute,
} from '../domain/search-attributes.ts';
import { askTemporal } from './ask.ts';
import { isNotAllowed, isUnknownSearchAttribute } from './errors.ts';

const { IndexedValueType } = proto.temporal.api.enums.v1;
const TYPES = {
  KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  DATETIME: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
} as const;

/** The namespace lacks search attributes, and a person has to register them. */
export class SearchAttributesError extends Error {
  override name = 'SearchAttributesError';
}

/**
 * Registers the search attributes that the namespace lacks, and returns their names. May be called any number of times.
 * @throws {SearchAttributesError} when Temporal does not allow it, or when one is registered with another type.
 */
export async function registerSearchAttributes(client: Client): Promise<readonly SearchAttribute[]> {
  const { namespace } = client.options;
  const { operatorService } = client.connection;
  try {
    const { customAttributes } = await askTemporal(client, () =>
      operatorService.listSearchAttributes({ namespace }),
    );
    const wrong = SEARCH_ATTRIBUTE_NAMES.filter((name) => {
      const type = customAttributes[name];
      return type !== undefined && type !== TYPES[SEARCH_ATTRIBUTES[name]];
    });
    if (wrong.length > 0) throw new SearchAttributesError(describeWrong(namespace, wrong));
    const missing = SEARCH_ATTRIBUTE_NAMES.filter((name) => customAttributes[name] === undefined);
    if (missing.length > 0)
      await askTemporal(client, () =>
        operatorService.addSearchAttributes({
          namespace,
          searchAttributes: Object.fromEntries(missing.map((name) => [name, TYPES[SEARCH_ATTRIBUTES[name]]])),
        }),
      );
    return missing;
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    throw new SearchAttributesError(
      `Temporal does not allow this process to register search attributes in the namespace ${namespace}, so nobody can search by them: ` +
        `let somebody who may run \`npm run ops -- search-attributes\`, or \`${registeringCommand(namespace)}\`.`,
      { cause: error },
    );
  }
}

const describeWrong = (namespace: string, wrong: readonly SearchAttribute[]): string =>
  `The namespace ${namespace} has the search attributes ${wrong.join(', ')} with another type. Remove them ` +
  '(`temporal operator search-attribute remove`), then run `npm run ops -- search-attributes`.';

const CLI_TYPES = { KEYWORD: 'Keyword', DATETIME: 'Datetime' } as const;

/** Each as `Name=Type`, as the `temporal` command takes it. */
export const SEARCH_ATTRIBUTE_OPTIONS: readonly string[] = SEARCH_ATTRIBUTE_NAMES.map(
  (name) => `${name}=${CLI_TYPES[SEARCH_ATTRIBUTES[name]]}`,
);

/** The same with the `temporal` command. */
export function registeringCommand(namespace: string): string {
  const attributes = SEARCH_ATTRIBUTE_NAMES.flatMap((name) => [
    `--name ${name}`,
    `--type ${CLI_TYPES[SEARCH_ATTRIBUTES[name]]}`,
  ]);
  return `temporal operator search-attribute create --namespace ${namespace} ${attributes.join(' ')}`;
}

export interface Registering {
  /** Ends the attempts. */
  signal: AbortSignal;
  /** Gets what a person has to do, and the first of the errors after which it is tried again. */
  report: (error: unknown) => void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** Registers them once Temporal answers, or reports why a person has to. Never rejects: without them orders go on, and only the search lacks. */
export async function keepRegistering(client: Client, { signal, report }: Registering): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      // A process that stops does not wait for a server that is silent.
      await client.withAbortSignal(signal, () => registerSearchAttributes(client));
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (pause === FIRST_PAUSE_MS || error instanceof SearchAttributesError) report(error);
      if (error instanceof SearchAttributesError) return;
    }
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}

/**
 * Starts a workflow with search attributes; where the namespace does not know them, without. A shop must not stand still because nobody has
 * registered them, or because a part of the server has not heard of it yet, which takes up to a minute.
 */
export async function startSearchable<T>(
  start: (policy: { isSearchable: boolean }) => Promise<T>,
): Promise<T> {
  try {
    return await start({ isSearchable: true });
  } catch (error) {
    if (!isUnknownSearchAttribute(error)) throw error;
    return start({ isSearchable: false });
  }
}
