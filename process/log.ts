/** What a process says: log lines and its last words, both redacted in one place. */
import { pino, type DestinationStream, type Logger } from 'pino';
import { currentLogContext } from './log-context.ts';
import { messageOf, printable, redactFields } from './redaction.ts';
import { redactText } from './secrets.ts';
import { currentTrace } from './traces.ts';

/**
 * Logs JSON, one object a line, on standard output unless another destination is given: for people, see terminal.ts. Every line has the
 * fields of log-context.ts.
 */
export function openLogger(name: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    name,
    level,
    mixin: () => ({ ...currentLogContext(), ...currentTrace() }),
    formatters: { log: redactFields },
    // The error is already described by `redactFields`.
    serializers: { err: (described: unknown) => described },
    hooks: {
      logMethod(
        this: Logger,
        args: Parameters<Logger['info']>,
        log: (...args: Parameters<Logger['info']>) => void,
      ) {
        const [first, ...rest]: unknown[] = args;
        // pino would take the message from the unredacted error.
        if (first instanceof Error)
          log.call(this, { err: first }, typeof rest[0] === 'string' ? rest[0] : messageOf(first));
        else log.apply(this, args);
      },
      // What slipped into a message, or into a field that is not an error.
      streamWrite: redactText,
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Ends the process on an unhandled error, which Node would print with everything in it. */
export function endOnUnexpected(report: (error: unknown) => void): void {
  process.on('uncaughtException', (error) => {
    report(error);
    process.exit(1);
  });
}

/** Prints the error that ends a command. */
export const complain = (error: unknown): void => console.error(printable(error));
