/** The audit as lines of JSON: one row a line, with everything that its hash is made of. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { z } from 'zod';
import type { SealedRow } from '../db/audit/sealed-row.ts';
import { UserError } from '../cli/user-error.ts';

const text = z.string().nullable();

const lineSchema: z.ZodType<SealedRow> = z.strictObject({
  seq: z.int(),
  recordedAt: z.string(),
  transaction: z.string(),
  kind: z.string(),
  shopId: text,
  subject: z.string(),
  orderId: text,
  commandId: text,
  actor: z.string(),
  requestId: text,
  why: text,
  before: text,
  after: text,
  previousHash: z.string(),
  hash: z.string(),
  sealedAt: z.string(),
});

/** `before` and `after` are JSON in a text: a tool that writes the line anew, as tools for JSON do, must not change what was hashed. */
export const toLine = (row: SealedRow): string => `${JSON.stringify(row)}\n`;

/** Writes pages, no faster than they are read. Returns false when the reader has gone, as `head` does. */
export async function writePages(
  output: Writable,
  pages: AsyncIterable<readonly SealedRow[]>,
): Promise<boolean> {
  const gone = finished(output, { readable: false }).then(
    () => false,
    () => false,
  );
  let isGone = false;
  void gone.then(() => {
    isGone = true;
  });
  for await (const page of pages) {
    if (isGone) return false;
    if (output.write(page.map(toLine).join(''))) continue;
    const drained = new Promise<true>((resolve) => output.once('drain', () => resolve(true)));
    if (!(await Promise.race([drained, gone]))) return false;
  }
  const flushed = new Promise<true>((resolve) => output.write('', () => resolve(true)));
  return Promise.race([flushed, gone]);
}

/** The rows of an export, one after the other. @throws {UserError} for what is no row. */
export async function* readLines(file: string): AsyncGenerator<SealedRow> {
  const input = createReadStream(file);
  // Without it, a file that is not there ends the process.
  const failed = new Promise<never>((_, reject) => {
    input.on('error', (error) => reject(new UserError(`${file} cannot be read: ${error.message}`)));
  });
  failed.catch(() => {});
  await Promise.race([new Promise((resolve) => input.once('open', resolve)), failed]);
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    number += 1;
    if (line.trim() !== '') yield parseLine(line, `${file}, line ${number}`);
  }
}

function parseLine(line: string, where: string): SealedRow {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw new UserError(`${where} is no JSON.`);
  }
  const { data, error } = lineSchema.safeParse(parsed);
  if (data !== undefined) return data;
  const [issue] = error?.issues ?? [];
  throw new UserError(`${where} is no row of the audit: ${issue?.path.join('.')} ${issue?.message}.`);
}
