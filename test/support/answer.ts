import { z } from 'zod';

export const answerBody = z.looseObject({});

/** An answer of the HTTP API. */
export interface Answer {
  status: number;
  headers: Headers;
  body: z.output<typeof answerBody>;
}
