/** Where the command line of operators sends its calls, and as whom. */
import { z } from 'zod';
import { path, text } from './values.ts';

export const deskSchema = z.object({
  HOLDFAST_URL: z
    .url({ protocol: /^https?$/, error: 'must start with http:// or https://' })
    .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must have no user and password in it')
    .optional(),
  /** An API key, or a token. */
  HOLDFAST_KEY: text(4_096).optional(),
  HOLDFAST_DATA: path.default('.holdfast'),
});
