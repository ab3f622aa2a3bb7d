/**
 * What may be shown of an error in a log, a terminal or Temporal's Web UI: everything that says what failed and where, and nothing
 * that somebody entrusted to us. Secrets of settings, the values that a statement was given, and whatever PostgreSQL quotes of them
 * stay out; its codes and names stay in.
 */
import { MASK, redactText } from './secrets.ts';

/** Settings as JSON, for readers who may know how a process is set and not its secrets. */
export const redactSettings = (settings: object): string =>
  JSON.stringify(
    settings,
    function redactSetting(this: Record<string, unknown>, name: string, value: unknown) {
      const isSecret = value !== undefined && (IS_SECRET.test(name) || ArrayBuffer.isView(this[name]));
      if (isSecret) return MASK;
      return typeof value === 'string' ? redactText(value) : value;
    },
  );

/** Ends of the names of what is nothing but secret. */
const IS_SECRET = /(keys?|secrets?|passwords?)$/i;

/** An error as it is logged. */
export interface ShownError {
  type: string;
  message: string;
  /** The frames alone: Node puts the unredacted message before them. */
  stack: string;
  code?: string | number;
  severity?: string;
  schema?: string;
  table?: string;
  column?: string;
  constraint?: string;
  routine?: string;
  /** The beginning of the statement, whose text never contains values. */
  statement?: string;
  cause?: ShownError;
  errors?: ShownError[];
}

/** How deep causes, and objects in the fields of a log line, may be nested. */
const DEEPEST = 8;
const STATEMENT_SHOWN = 80;

/** An error as the fields of a log line. */
export function describeError(error: unknown, depth = 0): ShownError {
  if (!(error instanceof Error)) return { type: typeof error, message: redactText(String(error)), stack: '' };
  const { cause } = error;
  const shown: ShownError = {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: messageOf(error),
    stack: framesOf(error),
  };
  if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number'))
    shown.code = error.code;
  for (const [field, name] of POSTGRES_FIELDS) {
    const value = textOf(error, name);
    if (value !== undefined) shown[field] = value;
  }
  const query = textOf(error, 'query');
  if (query !== undefined) shown.statement = shortenStatement(query, STATEMENT_SHOWN);
  if (depth >= DEEPEST) return shown;
  if (cause !== undefined) shown.cause = describeError(cause, depth + 1);
  if (error instanceof AggregateError)
    shown.errors = error.errors.map((one: unknown) => describeError(one, depth + 1));
  return shown;
}

const POSTGRES_FIELDS = [
  ['severity', 'severity'],
  ['schema', 'schema_name'],
  ['table', 'table_name'],
  ['column', 'column_name'],
  ['constraint', 'constraint_name'],
  ['routine', 'routine'],
] as const;

function textOf(error: Error, name: string): string | undefined {
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** An error's message alone, for a sentence that says what it means. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return redactText(String(error));
  const severity = textOf(error, 'severity');
  const code = textOf(error, 'code');
  if (severity !== undefined && code !== undefined) return redactText(postgresMessage(error, code));
  const reason = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`;
  const message = error.message.replace(FAILED_QUERY, `PostgreSQL did not carry out a statement${reason}`);
  // For a host with several addresses, Node's own message is empty.
  if (message === '' && error instanceof AggregateError)
    return error.errors.map((one: unknown) => messageOf(one)).join('; ');
  return redactText(message);
}

/** Drizzle's message, with the whole statement and its values. */
const FAILED_QUERY = /Failed query: [\s\S]*$/;

/** Classes of errors whose messages quote only names: of roles, databases, tables, settings. All others may quote a value. */
const QUOTES_NAMES = /^(08|28|3D|42|53|55|57)/;

function postgresMessage(error: Error, code: string): string {
  if (QUOTES_NAMES.test(code)) return error.message;
  if (code.startsWith('P0'))
    return 'A function of the database raised an error, and its message may quote a value.';
  const names = POSTGRES_FIELDS.map(([, name]) => textOf(error, name));
  return error.message.replaceAll(/"([^"]*)"/g, (quoted, name: string) =>
    names.includes(name) ? quoted : '"…"',
  );
}

/** The beginning of a statement, without the texts in it. */
export const shortenStatement = (query: string, most: number): string =>
  query
    .replaceAll(/'[^']*'/g, "'…'")
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, most);

const framesOf = ({ stack = '' }: Error): string =>
  redactText(
    stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
  );

/** An error to throw instead where other code writes it down, such as Temporal's history. */
export function safeError(error: unknown): Error {
  const { type, message, stack, cause, errors } = describeError(error);
  return rebuild({ type, message, stack, ...(cause && { cause }), ...(errors && { errors }) });
}

function rebuild({ type, message, stack, cause }: ShownError): Error {
  const error = new Error(message, cause && { cause: rebuild(cause) });
  error.name = type;
  error.stack = `${type}: ${message}\n${stack}`;
  return error;
}

/** An error for a terminal, with its fields, its frames and its causes. */
export function printable(error: unknown): string {
  return toLines(describeError(error)).join('\n');
}

function toLines({ type, message, stack, cause, errors = [], ...fields }: ShownError): string[] {
  const details = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  const causes = [...(cause ? [cause] : []), ...errors].flatMap(toLines);
  const [first = '', ...more] = causes;
  return [
    `${type}: ${message}${details.length === 0 ? '' : ` (${details.join(', ')})`}`,
    ...(stack === '' ? [] : [stack]),
    ...(causes.length === 0 ? [] : [`Caused by ${first}`, ...more]),
  ];
}

/**
 * Names of fields whose values are never logged, however deep and however they are spelt (`Set-Cookie`, `set_cookie`): credentials, and
 * what buyers and shops entrusted to us. Ids say which row it is about.
 */
export const HIDDEN_FIELDS = [
  'authorization',
  'body',
  'buyer',
  'buyerId',
  'contact',
  'cookie',
  'credentials',
  'deliveryNote',
  'email',
  'headers',
  'idempotencyKey',
  'key',
  'metadata',
  'ownerId',
  'params',
  'password',
  'payload',
  'reference',
  'secret',
  'session',
  'setCookie',
  'signature',
  'source',
  'text',
  'token',
] as const;

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z\d]/g, '');
const hidden: ReadonlySet<string> = new Set(HIDDEN_FIELDS.map(plain));

/** The fields of a log line, with every error in them described. */
export function redactFields(fields: object): Record<string, unknown> {
  return redactAll(fields, 0);
}

const redactAll = (fields: object, depth: number): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      hidden.has(plain(name)) && value !== undefined && value !== null ? MASK : redactField(value, depth),
    ]),
  );

function redactField(value: unknown, depth: number): unknown {
  if (value instanceof Error) return describeError(value);
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return value;
  if (Array.isArray(value)) return value.map((one: unknown) => redactField(one, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return redactAll(value, depth + 1);
}
