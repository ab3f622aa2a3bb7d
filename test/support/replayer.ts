/** Replays histories one by one on one worker: to start a worker for each costs six times as much as the replay itself. */
import type { HistoryAndWorkflowId } from '@temporalio/client';
import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { afterAll } from 'vitest';

/** Fails when the workflow's code does not do what this history says. */
export type Replay = (workflow: HistoryAndWorkflowId) => Promise<void>;

/** Call at the top of a file or a `describe`; the worker ends with it. */
export function startReplayer(options: ReplayWorkerOptions): Replay {
  let current: HistoryAndWorkflowId;
  async function* workflows() {
    for (;;) yield current;
  }
  const results = Worker.runReplayHistories(options, workflows());
  let last: Promise<void> = Promise.resolve();
  afterAll(async () => {
    await results.return?.();
  });

  async function replay(workflow: HistoryAndWorkflowId): Promise<void> {
    current = workflow;
    const { value } = await results.next();
    if (value.error) throw value.error;
  }

  return (workflow) => {
    const mine = last.then(() => replay(workflow));
    last = mine.catch(() => {});
    return mine;
  };
}
