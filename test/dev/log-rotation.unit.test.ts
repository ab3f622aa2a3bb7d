/** The log files of `npm start` stay small while their processes write, and no line is lost but in the moment of a rotation. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, expect, test } from 'vitest';
import { startDetached } from '../../dev/processes/detached.ts';
import { followLog, lastLogLines } from '../../dev/processes/log-lines.ts';
import { keepLogsSmall, rotateClosedLog, rotateOpenLog } from '../../dev/processes/log-rotation.ts';

function aLogFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-logs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'worker.log');
}

const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const LINE = `${'x'.repeat(99)}\n`;
const SMALL = { largestBytes: 1_000, earlierKept: 2 };

test('a log that grew too large is renamed before its process starts again, and so many earlier ones are kept', () => {
  const file = aLogFile();
  for (const run of ['a', 'b', 'c', 'd']) {
    rotateClosedLog(file, SMALL);
    writeFileSync(file, run + LINE.repeat(11));
  }
  expect([file, `${file}.1`, `${file}.2`].map((one) => read(one).at(0))).toEqual(['d', 'c', 'b']);
  expect(existsSync(`${file}.3`)).toBe(false);
});

test('a log that is small enough is left alone', () => {
  const file = aLogFile();
  writeFileSync(file, LINE);
  rotateClosedLog(file, SMALL);
  rotateOpenLog(file, SMALL);
  rotateOpenLog(`${file}.none`, SMALL);
  expect([read(file), existsSync(`${file}.1`)]).toEqual([LINE, false]);
});

test('a process goes on writing into a log that is emptied, which stays small, and who follows it goes on reading', async () => {
  const file = aLogFile();
  const script = `let n = 0; setInterval(() => console.log(String(n++).padStart(99, '0')), 1)`;
  const child = await startDetached({ command: process.execPath, args: ['-e', script], logFile: file });
  onTestFinished(() => child.stop());
  const [follow, followed]: [() => string[], number[]] = [followLog(file, 0), []];
  const end = keepLogsSmall(
    () => [file],
    () => {},
    { largestBytes: 5_000, earlierKept: 20, checkEveryMs: 5 },
  );
  onTestFinished(end);
  await expect
    .poll(
      () => {
        followed.push(...follow().map(Number));
        return existsSync(`${file}.4`);
      },
      { interval: 2, timeout: 20_000 },
    )
    .toBe(true);
  end();
  await child.stop();
  expect(read(file).length).toBeLessThan(20_000);
  expect(followed.length).toBeGreaterThan(100);
  expect(followed).toEqual(followed.toSorted((one, other) => one - other));
  const numbers = [4, 3, 2, 1].flatMap((age) => read(`${file}.${age}`).trimEnd().split('\n').map(Number));
  expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
  const lost = (numbers.at(-1) ?? 0) - (numbers[0] ?? 0) + 1 - numbers.length;
  expect(lost).toBeLessThan(20);
});

test('the last lines of a log that was emptied since its process began are shown from its beginning', () => {
  const file = aLogFile();
  writeFileSync(file, 'the end\n');
  expect(lastLogLines(file, 10_000)).toBe('  the end');
});
