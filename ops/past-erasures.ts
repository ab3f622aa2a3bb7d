/** Reads erasures from an export of the audit. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { UserError } from '../cli/user-error.ts';
import type { PastErasure } from '../db/personal-data-erasures.ts';

/** Of a line of `npm run audit -- export`; it has more, which is not needed here. */
const rowSchema = z.looseObject({
  kind: z.string(),
  shopId: z.string().nullable(),
  subject: z.string(),
  recordedAt: z.string().refine((time) => !Number.isNaN(Date.parse(time))),
});

/** @throws {UserError} for a file that is no export of the audit. */
export async function* readErasures(file: string): AsyncGenerator<PastErasure[]> {
  const input = createReadStream(file);
  let number = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      number += 1;
      if (line.trim() === '') continue;
      const { kind, shopId, subject, recordedAt } = readRow(line, `${file}, line ${number}`);
      if (kind === 'personal_data' && shopId !== null)
        yield [{ shopId, buyerId: subject, doneAt: new Date(recordedAt) }];
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new UserError(`There is no file ${file}.`);
    throw error;
  }
}

function readRow(line: string, where: string): z.output<typeof rowSchema> {
  const { data } = rowSchema.safeParse(parse(line));
  if (data === undefined) throw new UserError(`${where} is no row of the audit.`);
  return data;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
