/** Secrets of the settings, and how they are kept out of every text that is shown. */

type Environment = Readonly<Record<string, string | undefined>>;

/** What stands where a secret was. */
export const MASK = '[redacted]';
/** A shorter one would be found in every second word, and hides nothing. */
const SHORTEST_SECRET = 4;
const SHORTEST_TOKEN = 12;

const secrets = new Set<string>();
let longestFirst: readonly string[] = [];
keepSecret(process.env);

/** Keeps the secrets of these settings out of everything that is shown from now on. Those of the environment are known from the start. */
export function keepSecret(settings: Environment): void {
  for (const secret of findSecrets(settings)) {
    // A line of JSON has a backslash before each quote.
    for (const form of [secret, JSON.stringify(secret).slice(1, -1)])
      if (form.length >= SHORTEST_SECRET) secrets.add(form);
  }
  longestFirst = [...secrets].sort((one, other) => other.length - one.length);
}

function findSecrets(settings: Environment): string[] {
  const { DATABASE_URL = '', TEMPORAL_ADDRESS = '', ALERT_WEBHOOK_URL = '', ALERT_SLACK_URL = '' } = settings;
  const passwords = [
    settings['POSTGRES_PASSWORD'] ?? '',
    settings['PGPASSWORD'] ?? '',
    settings['PAYMENT_PROVIDER_KEY'] ?? '',
    settings['ALERT_PAGERDUTY_KEY'] ?? '',
    settings['HOLDFAST_KEY'] ?? '',
  ];
  const signing = (settings['PAYMENT_PROVIDER_SECRETS'] ?? '').split(',').flatMap(findSigningSecret);
  const tokens = [ALERT_WEBHOOK_URL, ALERT_SLACK_URL].map(findToken);
  const keys = [
    settings['PERSONAL_DATA_KEYS'] ?? '',
    settings['PERSONAL_DATA_INDEX_KEYS'] ?? '',
    settings['WEBHOOK_SECRET_KEYS'] ?? '',
    settings['PAYLOAD_KEYS'] ?? '',
    settings['SESSION_KEYS'] ?? '',
  ].flatMap(findKeys);
  const headers = [
    settings['OTEL_EXPORTER_OTLP_HEADERS'] ?? '',
    settings['OTEL_EXPORTER_OTLP_TRACES_HEADERS'] ?? '',
  ].flatMap(findHeaderValues);
  const raw = [DATABASE_URL, TEMPORAL_ADDRESS, ALERT_WEBHOOK_URL, ALERT_SLACK_URL].flatMap(findCredentials);
  return [...raw, ...passwords, ...signing, ...keys, ...headers, ...tokens].flatMap((secret) => [
    secret,
    decode(secret),
    encodeURIComponent(secret.toWellFormed()),
  ]);
}

/** A path may be a token. A short path is a word, such as "alerts", and appears in every second line. */
function findToken(url: string): string {
  const [, pathAndQuery = ''] = /^[^:]*:\/\/[^/?#]*\/?(.*)$/s.exec(url) ?? [];
  return pathAndQuery.length < SHORTEST_TOKEN ? '' : pathAndQuery;
}

/** Also in a URL that is invalid because of a character in its password. */
function findCredentials(url: string): string[] {
  const [, credentials] = /^(?:[^:/]*:\/\/)?(.*)@/s.exec(url) ?? [];
  if (credentials === undefined) return [];
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(credentials) ?? [];
  return [url, credentials.includes(':') ? credentials : '', password];
}

/** Of `name:key,name:key`. The names stay: they say which key is meant. */
function findKeys(ring: string): string[] {
  return ring.split(',').map((item) => item.slice(item.indexOf(':') + 1).trim());
}

/** Of `name=value,name=value`. */
function findHeaderValues(list: string): string[] {
  return list.split(',').map((item) => item.slice(item.indexOf('=') + 1).trim());
}

/** As it is set, and without the prefix that says what it is. */
function findSigningSecret(secret: string): string[] {
  const text = secret.trim();
  return [text, text.replace(/^whsec_/, '')];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Each part is bounded, so that a long line without a match costs no more than its length.
const CREDENTIALS_IN_URL = /([a-z][a-z\d+.-]{0,20}:\/\/)[^\s"'/@]{1,500}@/gi;
const EMAIL_ADDRESS = /[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,63}/gi;

/** domain/api-key.ts makes them. The key's id stays: it says which one to rotate. */
const API_KEY = /(hf_[a-z2-7]{12}_)[0-9A-Za-z_]{8,60}/g;

/** The text without secrets of settings, credentials in URLs, e-mail addresses, and secrets of API keys. */
export function redactText(text: string): string {
  let result = text;
  for (const secret of longestFirst) result = result.replaceAll(secret, MASK);
  return result
    .replaceAll(CREDENTIALS_IN_URL, `$1${MASK}@`)
    .replaceAll(EMAIL_ADDRESS, MASK)
    .replaceAll(API_KEY, `$1${MASK}`);
}
