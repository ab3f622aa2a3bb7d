/** What every line of a log carries, and what none does. */
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openLogger } from '../../process/log.ts';
import { addToLogContext, withLogContext, withoutLogContext } from '../../process/log-context.ts';
import { HIDDEN_FIELDS } from '../../process/redaction.ts';

function openLines(): { logger: ReturnType<typeof openLogger>; lines: () => unknown[] } {
  const written: string[] = [];
  const logger = openLogger('test', 'trace', { write: (line: string) => void written.push(line) });
  return { logger, lines: () => written.map((line): unknown => JSON.parse(line)) };
}

test('every line that is logged while a request runs names it, whatever it waits for, and no line of another request does', async () => {
  const { logger, lines } = openLines();
  const work = (requestId: string, ms: number): Promise<void> =>
    withLogContext({ requestId }, async () => {
      await delay(ms);
      addToLogContext({ orderId: `order of ${requestId}` });
      await delay(ms);
      logger.info('worked');
    });
  await Promise.all([work('one', 4), work('two', 2)]);
  logger.info('alone');
  expect(lines()).toEqual([
    expect.objectContaining({ msg: 'worked', requestId: 'two', orderId: 'order of two' }),
    expect.objectContaining({ msg: 'worked', requestId: 'one', orderId: 'order of one' }),
    expect.not.objectContaining({ requestId: expect.anything() }),
  ]);
});

test('what a line says itself goes before what it is about, and what is begun for all names nobody', () => {
  const { logger, lines } = openLines();
  withLogContext({ requestId: 'one', attempt: 1 }, () => {
    withLogContext({ attempt: 2 }, () => logger.info({ requestId: 'its own' }, 'said'));
    withoutLogContext(() => logger.info('shared'));
  });
  expect(lines()).toEqual([
    expect.objectContaining({ requestId: 'its own', attempt: 2 }),
    expect.not.objectContaining({ requestId: expect.anything() }),
  ]);
});

test.each(HIDDEN_FIELDS)(
  'the value of a field named %s is in no line, however it is spelt or nested',
  (name) => {
    const { logger, lines } = openLines();
    const spelt = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const field of [name, name.toUpperCase(), spelt, spelt.replaceAll('-', '_')])
      logger.info({ [field]: 'planted', list: [{ deep: { [field]: { value: 'planted' } } }] }, 'said');
    expect(JSON.stringify(lines())).not.toContain('planted');
    expect(lines()).toHaveLength(4);
  },
);

test('an id, a count and a state are logged as they are', () => {
  const { logger, lines } = openLines();
  logger.info({ orderId: 'o', keyId: 'k', refused: 3, nested: { stage: 'paid' } }, 'said');
  expect(lines()).toEqual([
    expect.objectContaining({ orderId: 'o', keyId: 'k', refused: 3, nested: { stage: 'paid' } }),
  ]);
});

test('a terminal gets lines that a person can read, with the same fields and the same values hidden', async () => {
  const { default: pretty } = await import('pino-pretty');
  const screen = new PassThrough();
  const logger = openLogger('test', 'info', pretty({ colorize: false, destination: screen, sync: true }));
  withLogContext({ requestId: 'one' }, () =>
    logger.warn({ password: 'planted' }, 'it failed for a@example.com'),
  );
  const shown = String(screen.read());
  expect(shown).toMatch(/WARN.*it failed for \[redacted\]/);
  expect(shown).toContain('requestId: "one"');
  expect(shown).not.toMatch(/planted|a@example/);
});
