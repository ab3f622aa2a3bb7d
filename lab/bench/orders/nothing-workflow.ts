import { upsertSearchAttributes } from '@temporalio/workflow';
import { searchPair } from '../../../domain/search-attributes.ts';
import { STAGES } from '../../../domain/stages.ts';

/** Does nothing, so it costs only what starting a workflow and getting its result costs. */
export async function nothing(): Promise<void> {}

/** Does nothing but write what it is found by, so many times, as an order does with its steps. */
export async function searched(times: number): Promise<void> {
  for (const stage of STAGES.slice(0, times)) upsertSearchAttributes([searchPair('HoldfastStage', stage)]);
}
