/** What the API needs from outside: its servers, its log and its settings. */
import type { Logger } from 'pino';
import type { OrderClient } from '../client/orders.ts';
import type { Database, DatabasePool } from '../db/connection.ts';
import type { Caller } from '../domain/access.ts';
import type { KeyRing } from '../domain/key-ring.ts';
import type { WebUi } from '../domain/web-ui.ts';
import type { PersonalDataKeys } from '../domain/personal-data-keys.ts';
import type { IdentifyBearer } from './access/tokens.ts';
import type { ApiMetrics } from './http/request-metrics.ts';
import type { RateLimits } from './limits/rate-limits.ts';
import type { StreamTimes } from './streams/order-streams.ts';
import type { WebhookServices } from './webhooks/services.ts';

/** Tests may pass their own. */
export interface Dependencies {
  database: DatabasePool;
  temporal: OrderClient;
  logger: Logger;
  /** Without it, requests are not counted. */
  metrics?: ApiMetrics | undefined;
  /** Without it, only API keys are accepted. */
  identifyBearer?: IdentifyBearer | undefined;
  /** Seal the sessions of people. Without them there is no operations page. */
  sessionKeys?: KeyRing | undefined;
  /** Where Temporal's Web UI shows the workflows of orders; without it, no address of one is given. */
  webUi?: WebUi | undefined;
  /** How many milliseconds a buyer has to pay a new order. */
  paymentWindow: number;
  /** How many milliseconds its deadline is put off, once, when a payment is under way; the default unless given. */
  paymentExtension?: number;
  /** Sign the notifications of the payment provider. Without them nobody pays by provider. */
  paymentSecrets?: readonly string[] | undefined;
  /** How many milliseconds a step of an order may keep failing before a person is asked to look. */
  attentionAfter: number;
  /** Without them, no order may have personal fields. */
  personalData?: PersonalDataKeys | undefined;
  /** Without their keys, no webhook can be registered. */
  webhooks?: WebhookServices | undefined;
  /** How much each caller may ask; without it there is no limit. */
  rateLimits?: RateLimits;
  /** The proxies whose X-Forwarded-For is believed; none unless given. */
  trustedProxies?: readonly string[];
  /** The origins whose pages may call; none unless given. */
  corsOrigins?: readonly string[];
  /** Streams of orders that this process may have open at once, and how long each lasts. */
  mostStreams?: number;
  streamTimes?: StreamTimes;
  /** Aborted when the process is about to stop. Tests leave it out. */
  stopping?: AbortSignal;
  /** In production, no development key is accepted. Unless given, this is development. */
  isProduction?: boolean;
  /** Sent by the page at /docs, on a developer's machine only. */
  developmentKey?: string | undefined;
}

/** The two servers that orders need. */
export interface Servers extends Pick<Dependencies, 'temporal'> {
  /** Limited to what the caller can reach. */
  database: Database;
}

/** What a command needs that may come before its order is recorded. */
export interface CommandServers extends Servers {
  caller: Caller;
  /** Unlimited, to find out who placed the order. */
  claims: Database;
}
