/** How a process speaks: log lines and last words, both through the one redaction. */
import { pino, type DestinationStream, type Logger } from 'pino';
import { messageOf, printable, redactFields, redactText } from './redaction.ts';

/** @param destination standard output unless given. */
export function openLogger(name: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    name,
    level,
    formatters: { log: redactFields },
    // By now it is described.
    serializers: { err: (described: unknown) => described },
    hooks: {
      logMethod(
        this: Logger,
        args: Parameters<Logger['info']>,
        log: (...args: Parameters<Logger['info']>) => void,
      ) {
        const [first, ...rest]: unknown[] = args;
        // pino would take its message from the error as it is.
        if (first instanceof Error)
          log.call(this, { err: first }, typeof rest[0] === 'string' ? rest[0] : messageOf(first));
        else log.apply(this, args);
      },
      // Whatever slipped into a sentence, or a field that is no error.
      streamWrite: redactText,
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Ends the process on an error that nobody awaits, which Node would print with all that it holds. */
export function endOnUnexpected(report: (error: unknown) => void): void {
  process.on('uncaughtException', (error) => {
    report(error);
    process.exit(1);
  });
}

/** The last words of a command. */
export const complain = (error: unknown): void => console.error(printable(error));
