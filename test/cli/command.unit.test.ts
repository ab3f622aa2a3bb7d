/** Every command explains itself, refuses what it does not know, and ends with the exit code that its help states. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { defineCommand, defineVerb, execute, executeVerb, toVerb } from '../../cli/command.ts';
import { UserError } from '../../cli/user-error.ts';
import { duration, wholeNumber } from '../../cli/values.ts';
import { SettingsError } from '../../settings.ts';

let output = '';
beforeEach(() => {
  output = '';
  const write = (text: unknown) => {
    output += `${String(text)}\n`;
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  vi.spyOn(console, 'error').mockImplementation(write);
});
afterEach(() => vi.restoreAllMocks());

const anExample = () =>
  defineCommand({ name: 'example', summary: 'Shows how a command behaves.', failed: 'it went wrong' })
    .option('--repair', 'also repair', false)
    .option('--limit <count>', 'how many', wholeNumber(1, 10), 5);

/** Runs the example and returns what its work was given. */
async function run(...args: string[]) {
  const work = vi.fn(async (_options: { repair: boolean; limit: number }) => {});
  const code = await execute(anExample(), args, work);
  return { code, options: work.mock.calls[0]?.[0] };
}

describe('a command', () => {
  test('gets its options as values, with their defaults', async () => {
    expect(await run('--repair', '--limit=7')).toEqual({ code: 0, options: { repair: true, limit: 7 } });
    expect(await run()).toEqual({ code: 0, options: { repair: false, limit: 5 } });
  });

  test('that is asked for help explains its options and exit codes and does nothing', async () => {
    expect(await run('--help')).toEqual({ code: 0, options: undefined });
    expect(output).toMatch(/Usage: npm run example -- \[options\]\n\nShows how a command behaves\./);
    expect(output).toMatch(/--repair +also repair/);
    expect(output).toMatch(/0 +done\n +1 +it went wrong\n +2 +wrong usage or settings\n +130 +interrupted/);
  });

  test.each([
    ['an unknown option', ['--repiar'], /unknown option '--repiar'\n\(Did you mean --repair\?\)/],
    ['an option without its dashes', ['repair'], /too many arguments.*repair\.\n\(Did you mean --repair\?\)/],
    ['an unknown argument', ['everything'], /too many arguments.*everything\.\nUsage:/],
    ['an option without its value', ['--limit'], /option '--limit <count>' argument missing/],
    [
      'a value out of bounds',
      ['--limit=11'],
      /'11' is invalid\. It must be a whole number from 1 to 10\.\nUsage: npm run example -- \[options\]/,
    ],
  ])('refuses %s, says what it accepts instead, and does nothing', async (_what, args, message) => {
    expect(await run(...args)).toEqual({ code: 2, options: undefined });
    expect(output).toMatch(message);
    expect(output).toContain('--help explains every option.');
  });

  test('refuses an argument without showing the password in it', async () => {
    expect(await run('postgres://me:hunter2@host/holdfast')).toMatchObject({ code: 2 });
    expect(output).not.toContain('hunter2');
  });

  test.each([
    ['its work is done', 0, async () => {}],
    ['it has printed bad news', 1, async () => 'failed' as const],
    ['a person can fix what failed', 1, () => Promise.reject(new UserError('Start it first.'))],
    ['anything else fails', 1, () => Promise.reject(new TypeError('nothing'))],
    ['a setting is wrong', 2, () => Promise.reject(new SettingsError('PORT is wrong.'))],
  ])('ends, when %s, with exit code %i', async (_when, code, work) => {
    expect(await execute(anExample(), [], work)).toBe(code);
  });

  test('shows an error that a person can fix without a stack, and any other error with one', async () => {
    await execute(anExample(), [], () => Promise.reject(new UserError('Start it first.')));
    expect(output).toBe('Start it first.\n');
    await execute(anExample(), [], () => Promise.reject(new TypeError('nothing')));
    expect(output).toMatch(/TypeError: nothing\n +at /);
  });
});

describe('an option that takes a whole number', () => {
  test.each(['0x10', '1e1', '-1', '', '1.5', 'all', '0', '11'])('refuses "%s"', async (limit) => {
    expect(await run(`--limit=${limit}`)).toMatchObject({ code: 2 });
  });

  test.each(['1', '10'])('accepts its bound %s', async (limit) => {
    expect(await run(`--limit=${limit}`)).toMatchObject({ code: 0, options: { limit: Number(limit) } });
  });
});

describe('an option that takes a duration', () => {
  const waiting = () =>
    defineCommand({ name: 'example', summary: 'Waits.' }).option(
      '--for <duration>',
      'how long',
      duration(0, 60_000),
    );

  test.each(['1', '-1s', '61s', '', '1 s', 'soon'])('refuses "%s" and says what it takes', async (given) => {
    expect(await execute(waiting(), [`--for=${given}`], async () => {})).toBe(2);
    expect(output).toMatch(/It must be a duration such as 15m, 5s or 500ms, from 0ms to 1m\./);
  });

  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['1m', 60_000],
  ])('takes "%s" as milliseconds', async (given, milliseconds) => {
    const work = vi.fn(async (_options: { for?: number | undefined }) => {});
    expect(await execute(waiting(), [`--for=${given}`], work)).toBe(0);
    expect(work.mock.calls[0]?.[0]).toEqual({ for: milliseconds });
  });
});

describe('a command with several verbs', () => {
  const paint = vi.fn(async (_options: { colour: string }, _what: string): Promise<'failed' | void> => {});
  const wash = vi.fn(async () => {});
  const runVerb = (...args: string[]) =>
    executeVerb(
      defineCommand({ name: 'example', summary: 'Paints and washes.' }),
      args,
      toVerb(
        defineVerb({ name: 'paint', summary: 'Paints a thing.', failed: 'it is not dry' })
          .argument('<what>', 'what to paint')
          .option('--colour <colour>', 'in which colour', 'white'),
        paint,
      ),
      toVerb(defineVerb({ name: 'wash', summary: 'Washes everything.' }), wash),
    );
  beforeEach(() => {
    paint.mockClear();
    wash.mockClear();
  });

  test('runs the one that is named, with its own options and arguments, and no other', async () => {
    expect(await runVerb('paint', 'a fence', '--colour', 'green')).toBe(0);
    expect(paint.mock.calls[0]).toEqual([{ colour: 'green' }, 'a fence']);
    expect(wash).not.toHaveBeenCalled();
  });

  test('explains each verb by itself, with the exit codes of that verb', async () => {
    expect(await runVerb('--help')).toBe(0);
    expect(output).toMatch(
      /Usage: npm run example -- \[options\] \[command\][\s\S]*paint [\s\S]*Paints a thing\./,
    );
    output = '';
    expect(await runVerb('paint', '--help')).toBe(0);
    expect(output).toMatch(/Usage: npm run example -- paint \[options\] <what>[\s\S]*1 +it is not dry/);
    expect(paint).not.toHaveBeenCalled();
  });

  test.each([
    ['without a verb', [], /Usage: npm run example/],
    ['with an unknown verb', ['pain'], /unknown command 'pain'\n\(Did you mean paint\?\)/],
    ['with an unknown option of the verb', ['wash', '--colour', 'red'], /unknown option '--colour'/],
    ['without an argument of the verb', ['paint'], /missing required argument 'what'/],
  ])('is refused %s, and does nothing', async (_how, args, message) => {
    expect(await runVerb(...args)).toBe(2);
    expect(output).toMatch(message);
    expect([paint, wash].flatMap(({ mock }) => mock.calls)).toEqual([]);
  });

  test('ends with 1 when its verb has bad news or fails', async () => {
    paint.mockResolvedValueOnce('failed');
    expect(await runVerb('paint', 'a fence')).toBe(1);
    paint.mockRejectedValueOnce(new UserError('It rains.'));
    expect(await runVerb('paint', 'a fence')).toBe(1);
    expect(output).toContain('It rains.');
  });
});
