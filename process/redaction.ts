/**
 * What may be said of an error, to a log, a terminal or Temporal's Web UI: everything that tells what failed and where, and
 * nothing that somebody gave us to keep. Passwords and tokens of settings, the values that a statement was given, and whatever
 * PostgreSQL quotes of them stay out; its codes and names stay in.
 */

/** An error as it is logged. */
export interface ShownError {
  type: string;
  message: string;
  /** The frames alone: what Node puts before them is the message as it was. */
  stack: string;
  code?: string | number;
  severity?: string;
  schema?: string;
  table?: string;
  column?: string;
  constraint?: string;
  routine?: string;
  /** How the statement begins; values are never part of its text. */
  statement?: string;
  cause?: ShownError;
  errors?: ShownError[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const MASK = '[redacted]';
/** A shorter one would be found in every second word, and hides nothing. */
const SHORTEST_SECRET = 4;
const SHORTEST_TOKEN = 12;
/** Of causes, and of what is nested in the fields of a log line. */
const DEEPEST = 8;
const STATEMENT_SHOWN = 80;

const secrets = new Set<string>();
let longestFirst: readonly string[] = [];
keepSecret(process.env);

/** Keeps what these settings hold out of everything that is shown from now on. The environment's own are known from the start. */
export function keepSecret(settings: Environment): void {
  for (const secret of secretsIn(settings)) {
    // In a line of JSON a quote has a backslash before it.
    for (const form of [secret, JSON.stringify(secret).slice(1, -1)])
      if (form.length >= SHORTEST_SECRET) secrets.add(form);
  }
  longestFirst = [...secrets].sort((one, other) => other.length - one.length);
}

function secretsIn(settings: Environment): string[] {
  const { DATABASE_URL = '', TEMPORAL_ADDRESS = '', ALERT_WEBHOOK_URL = '' } = settings;
  const passwords = [settings['POSTGRES_PASSWORD'] ?? '', settings['PGPASSWORD'] ?? ''];
  // A path may be a token; a short one is a word, such as "alerts", which is in every second line.
  const [, pathAndQuery = ''] = /^[^:]*:\/\/[^/?#]*\/?(.*)$/s.exec(ALERT_WEBHOOK_URL) ?? [];
  const token = pathAndQuery.length < SHORTEST_TOKEN ? '' : pathAndQuery;
  const raw = [DATABASE_URL, TEMPORAL_ADDRESS, ALERT_WEBHOOK_URL].flatMap(credentialsIn);
  return [...raw, ...passwords, token].flatMap((secret) => [
    secret,
    decoded(secret),
    encodeURIComponent(secret.toWellFormed()),
  ]);
}

/** Also of a URL that is none, because of a character in its password. */
function credentialsIn(url: string): string[] {
  const [, credentials] = /^(?:[^:/]*:\/\/)?(.*)@/s.exec(url) ?? [];
  if (credentials === undefined) return [];
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(credentials) ?? [];
  return [url, credentials.includes(':') ? credentials : '', password];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Each part has an end, so that a long line without a match costs no more than its length.
const CREDENTIALS_IN_URL = /([a-z][a-z\d+.-]{0,20}:\/\/)[^\s"'/@]{1,500}@/gi;
const EMAIL_ADDRESS = /[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,63}/gi;

/** A text without what it may have caught of a setting's secrets, of credentials in a URL, or of e-mail addresses. */
export function redactText(text: string): string {
  let result = text;
  for (const secret of longestFirst) result = result.replaceAll(secret, MASK);
  return result.replaceAll(CREDENTIALS_IN_URL, `$1${MASK}@`).replaceAll(EMAIL_ADDRESS, MASK);
}

/** An error as fields: what a log line says of it. */
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
  if (query !== undefined) shown.statement = beginningOf(query);
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
  // Of a host with several addresses Node says only that none answered.
  if (message === '' && error instanceof AggregateError)
    return error.errors.map((one: unknown) => messageOf(one)).join('; ');
  return redactText(message);
}

/** As Drizzle words it, with the whole statement and its values. */
const FAILED_QUERY = /Failed query: [\s\S]*$/;

/** Classes of errors whose messages quote names: of roles, databases, tables, settings. All others may quote a value. */
const QUOTES_NAMES = /^(08|28|3D|42|53|55|57)/;

function postgresMessage(error: Error, code: string): string {
  if (QUOTES_NAMES.test(code)) return error.message;
  if (code.startsWith('P0'))
    return 'A function of the database raised an error, whose words may quote a value.';
  const names = POSTGRES_FIELDS.map(([, name]) => textOf(error, name));
  return error.message.replaceAll(/"([^"]*)"/g, (quoted, name: string) =>
    names.includes(name) ? quoted : '"…"',
  );
}

const beginningOf = (query: string): string =>
  query
    .replaceAll(/'[^']*'/g, "'…'")
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, STATEMENT_SHOWN);

const framesOf = ({ stack = '' }: Error): string =>
  redactText(
    stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
  );

/** An error to be thrown in place of the other where somebody else puts it into words, such as Temporal's history. */
export function safeError(error: unknown): Error {
  const { type, message, stack, cause, errors } = describeError(error);
  return rebuilt({ type, message, stack, ...(cause && { cause }), ...(errors && { errors }) });
}

function rebuilt({ type, message, stack, cause }: ShownError): Error {
  const error = new Error(message, cause && { cause: rebuilt(cause) });
  error.name = type;
  error.stack = `${type}: ${message}\n${stack}`;
  return error;
}

/** An error for a terminal: with its fields, its frames and its causes. */
export function printable(error: unknown): string {
  return linesOf(describeError(error)).join('\n');
}

function linesOf({ type, message, stack, cause, errors = [], ...fields }: ShownError): string[] {
  const details = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  const causes = [...(cause ? [cause] : []), ...errors].flatMap(linesOf);
  const [first = '', ...more] = causes;
  return [
    `${type}: ${message}${details.length === 0 ? '' : ` (${details.join(', ')})`}`,
    ...(stack === '' ? [] : [stack]),
    ...(causes.length === 0 ? [] : [`Caused by ${first}`, ...more]),
  ];
}

/** The fields of a log line, with every error in them described. */
export function redactFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, redactField(value, 0)]));
}

function redactField(value: unknown, depth: number): unknown {
  if (value instanceof Error) return describeError(value);
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return value;
  if (Array.isArray(value)) return value.map((one: unknown) => redactField(one, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, redactField(inner, depth + 1)]),
  );
}
