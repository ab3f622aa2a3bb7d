/** Processes every event of the shop once, and goes on where it stopped: `events.ts <file for the cursor>`. */
import { readFile, writeFile } from 'node:fs/promises';
import { createHoldfast } from '@holdfast/client';

const holdfast = createHoldfast({
  address: process.env['HOLDFAST_ADDRESS'] ?? 'http://127.0.0.1:3000',
  key: process.env['HOLDFAST_KEY'] ?? '',
});

const file = process.argv[2] ?? 'cursor.txt';
const after = await readFile(file, 'utf8').catch(() => undefined);

// A service goes on forever. This one stops when nothing has happened for a moment.
const stopped = new AbortController();
let idle = setTimeout(() => stopped.abort(), 5_000);
try {
  for await (const page of holdfast.followEvents({
    ...(after !== undefined && { after }),
    every: 200,
    signal: stopped.signal,
  })) {
    for (const { sequence, type, data } of page.items) console.log(`${sequence} ${type} ${data.orderId}`);
    // Only now: after a crash in between, this page comes again.
    await writeFile(file, page.nextCursor);
    idle = idle.refresh();
  }
} catch (error) {
  if (!stopped.signal.aborted) throw error;
}
