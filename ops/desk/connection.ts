/** The API that the command line of operators calls, and what it shows of a call that failed. */
import { readFileSync } from 'node:fs';
import {
  HoldfastProblem,
  NoAnswerError,
  UnexpectedAnswerError,
  createHoldfast,
  type Holdfast,
} from '@holdfast/client';
import { dataFolder } from '../../cli/data-folder.ts';
import { findRunningSystem } from '../../cli/running-system.ts';
import { UserError } from '../../cli/user-error.ts';
import { keepSecret } from '../../process/secrets.ts';
import { deskSettings } from '../../settings.ts';

/** A person waits at a terminal. */
const PATIENCE_MS = 20_000;

/** Gives the client of a shop; of what `HOLDFAST_KEY` works in without one. */
export type OpenShop = (shop: string | undefined) => Holdfast;

/**
 * The API at HOLDFAST_URL with HOLDFAST_KEY; or the one of the `npm start` that runs on this machine, with its development key.
 * @throws {UserError} when there is neither.
 */
export function openDesk(environment: NodeJS.ProcessEnv): OpenShop {
  const { HOLDFAST_URL, HOLDFAST_KEY, HOLDFAST_DATA } = deskSettings(environment);
  const folder = dataFolder(HOLDFAST_DATA);
  const address = HOLDFAST_URL ?? findRunningSystem(folder.path)?.api;
  // The development key is for its own system, and for no other address.
  const key = HOLDFAST_KEY ?? (HOLDFAST_URL === undefined ? readKey(folder.developmentKey) : undefined);
  if (address === undefined)
    throw new UserError('Set HOLDFAST_URL to the address of the API, or run `npm start` on this machine.');
  if (key === undefined) throw new UserError('Set HOLDFAST_KEY to an API key or a token of an operator.');
  keepSecret({ HOLDFAST_KEY: key });
  return (shop) =>
    createHoldfast({ address, key, patience: PATIENCE_MS, ...(shop !== undefined && { shop }) });
}

function readKey(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** What a call failed with, as a sentence; undefined when it is a mistake of ours. */
export function explainCall(error: unknown): string | undefined {
  if (error instanceof HoldfastProblem) return error.message;
  if (error instanceof NoAnswerError || error instanceof UnexpectedAnswerError) return error.message;
  return undefined;
}

/** Does the work. @throws {UserError} what the API refused, or that it gave no answer. */
export async function calling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = explainCall(error);
    throw why === undefined ? error : new UserError(why, { cause: error });
  }
}
