/** How a failed attempt is shown to operators: its stable type, and its sentence, which activities/errors.ts keeps free of the shop's data. */
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';

export interface StepFailure {
  type: string;
  message: string;
}

const LONGEST_MESSAGE = 200;

export function toStepFailure(error: unknown): StepFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure)
    return { type: 'no_answer', message: 'The worker gave no answer in time.' };
  if (!(cause instanceof ApplicationFailure))
    return { type: 'unexpected', message: 'It ended in a way that nobody foresaw.' };
  const { type, message } = cause;
  return {
    type: type ?? 'unexpected',
    message:
      message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE).toWellFormed()}…`,
  };
}
