/** The frame of every command: its help, its options and arguments, what it shows of a failure, and its exit code. */
import {
  Command,
  CommanderError,
  type CommandUnknownOpts,
  type OptionValues,
} from '@commander-js/extra-typings';
import { complain, endOnUnexpected } from '../process/log.ts';
import { redactText } from '../process/secrets.ts';
import { SettingsError } from '../settings.ts';
import { UserError } from './user-error.ts';

export const EXIT = { done: 0, failed: 1, misused: 2, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What a command returns that did its work and printed bad news. */
export type BadNews = 'failed';

interface Description {
  /** The npm script that runs it, or the verb of a command that has several. */
  name: string;
  /** What it does, as a sentence. */
  summary: string;
  /** What exit code 1 means for this command. */
  failed?: string;
}

/** A command, to which the caller adds options and arguments and which {@link runCommand} runs. */
export const defineCommand = ({ name, ...description }: Description): Command =>
  describe(new Command(`npm run ${name} --`), description);

/** One verb of a command that has several, such as `create` of `npm run keys`. {@link toVerb} says what it does. */
export const defineVerb = ({ name, ...description }: Description): Command =>
  describe(new Command(name), description);

function describe(
  command: Command,
  { summary, failed = 'something failed' }: Omit<Description, 'name'>,
): Command {
  return command
    .description(summary)
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', describeExitCodes(failed))
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        const usage = `Usage: ${command.createHelp().commandUsage(command)}`;
        write(redactText(`${text}${suggestOption(command)}${usage}\n--help explains every option.\n`));
      },
    });
}

const describeExitCodes = (failed: string): string => `
Exit codes:
  ${EXIT.done}    done
  ${EXIT.failed}    ${failed}
  ${EXIT.misused}    wrong usage or settings
  ${EXIT.interrupted}  interrupted`;

/** For an argument too many that is an option without its dashes. */
function suggestOption({ args, options }: CommandUnknownOpts): string {
  const meant = options.find(({ long }) => args.some((arg) => long === `--${arg}`));
  return meant === undefined ? '' : `(Did you mean ${meant.long}?)\n`;
}

/** Runs a command with the arguments of this process, and sets its exit code. */
export async function runCommand<Args extends unknown[], Options extends OptionValues>(
  command: Command<Args, Options>,
  work: (options: Options, ...args: Args) => Promise<BadNews | void>,
): Promise<void> {
  endOnUnexpected(complain);
  process.exitCode = await execute(command, process.argv.slice(2), work);
}

/** A verb and its work, to be given to {@link runVerbs}. */
export interface Verb {
  /** Adds the verb to the command. What it returned is handed to `ended`. */
  addTo(command: Command, ended: (news: BadNews | void) => void): void;
}

export const toVerb = <Args extends unknown[], Options extends OptionValues>(
  verb: Command<Args, Options>,
  work: (options: Options, ...args: Args) => Promise<BadNews | void>,
): Verb => ({
  addTo(command, ended) {
    verb.action(async () => ended(await work(verb.opts(), ...verb.processedArgs)));
    command.addCommand(verb);
  },
});

/** Verbs about one thing, such as `retry` of `npm run ops -- orders`. */
export const toGroup = (group: Command, ...verbs: readonly Verb[]): Verb => ({
  addTo(command, ended) {
    for (const verb of verbs) verb.addTo(group, ended);
    command.addCommand(group);
  },
});

/** Runs the verb that the arguments of this process name, and sets its exit code. */
export async function runVerbs(command: Command, ...verbs: readonly Verb[]): Promise<void> {
  endOnUnexpected(complain);
  process.exitCode = await executeVerb(command, process.argv.slice(2), ...verbs);
}

/** As {@link execute}, for a command with verbs. */
export async function executeVerb(
  command: Command,
  args: readonly string[],
  ...verbs: readonly Verb[]
): Promise<ExitCode> {
  let news: BadNews | void = undefined;
  for (const verb of verbs) verb.addTo(command, (ended) => (news = ended));
  return execute(command, args, async () => news);
}

/**
 * As {@link runCommand} for a command that stops in order when it is interrupted: its signal is aborted, and whatever fails because
 * of that is not shown.
 */
export async function runInterruptibleCommand<Args extends unknown[], Options extends OptionValues>(
  command: Command<Args, Options>,
  work: (signal: AbortSignal, options: Options, ...args: Args) => Promise<BadNews | void>,
): Promise<void> {
  const interrupting = new AbortController();
  const { signal } = interrupting;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => interrupting.abort(new InterruptedError('Interrupted: everything was stopped.')));
  await runCommand(command, async (options, ...args) => {
    try {
      return await work(signal, options, ...args);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  });
}

class InterruptedError extends UserError {}

/** Parses the arguments and does the work. Resolves with the exit code; nothing is thrown. */
export async function execute<Args extends unknown[], Options extends OptionValues>(
  command: Command<Args, Options>,
  args: readonly string[],
  work: (options: Options, ...args: Args) => Promise<BadNews | void>,
): Promise<ExitCode> {
  try {
    await command.parseAsync(args, { from: 'user' });
    return (await work(command.opts(), ...command.processedArgs)) === 'failed' ? EXIT.failed : EXIT.done;
  } catch (error) {
    return explain(error);
  }
}

/** Shows on standard error what failed: what a person can fix as a message alone, the rest with its stack. */
function explain(error: unknown): ExitCode {
  // Commander has printed the help, or the mistake and the usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused;
  if (error instanceof SettingsError) {
    // It names settings, and never a value.
    console.error(error.message);
    return EXIT.misused;
  }
  if (!(error instanceof UserError)) {
    complain(error);
    return EXIT.failed;
  }
  console.error(redactText(error.message));
  return error instanceof InterruptedError ? EXIT.interrupted : EXIT.failed;
}
