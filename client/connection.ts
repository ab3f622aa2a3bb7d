/** Connects to Temporal. Everything that asks Temporal something goes through a connection opened here. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type ClientOptions } from '@temporalio/client';
import { CALL_DEADLINE_MS } from '../domain/timeouts.ts';
import { dataConverterOf, type PayloadSettings } from './data-converter.ts';
import { TemporalUnavailableError, isRetryable } from './errors.ts';
import { CLIENT_INTERCEPTORS } from './origin.ts';

export interface TemporalAddress extends PayloadSettings {
  address: string;
}

/**
 * By default a connection waits up to two minutes before it tries a server again, even if that is back, and 45 s before it gives up on
 * silence.
 */
const CHANNEL_OPTIONS = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.keepalive_time_ms': 15_000,
  'grpc.keepalive_timeout_ms': 5_000,
} as const;

const CONNECT_DEADLINE_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 500;

/** A connection for requests with a deadline: each call is repeated until it succeeds or its time is over. */
export interface TemporalConnection {
  client: Client;
  /**
   * Every call must be idempotent by an id, because it may be sent more than once.
   * @throws {TemporalUnavailableError} when there is no answer in time.
   */
  call: <T>(send: () => Promise<T>, withinMs?: number) => Promise<T>;
  /** Resolves when Temporal answers within this many milliseconds. */
  check: (withinMs: number) => Promise<void>;
  close: () => Promise<void>;
}

/** Connects when first used, and again whenever the connection is lost. */
export function openTemporal({ address, ...payloads }: TemporalAddress): TemporalConnection {
  const connection = Connection.lazy({
    address,
    // The SDK's own retries pause for seconds, past the end of a call that could have succeeded, and fire even after the
    // connection was closed: `call` below retries instead.
    interceptors: [],
    channelArgs: CHANNEL_OPTIONS,
  });
  let isClosed = false;

  async function call<T>(send: () => Promise<T>, withinMs = CALL_DEADLINE_MS): Promise<T> {
    const deadline = Date.now() + withinMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      if (isClosed) throw new TemporalUnavailableError('The connection to Temporal was closed.');
      try {
        return await connection.withDeadline(deadline, send);
      } catch (error) {
        if (!isRetryable(error)) throw error;
        if (Date.now() + pause >= deadline)
          throw new TemporalUnavailableError('Temporal gave no answer in time.', { cause: error });
        await sleep(pause * (0.75 + Math.random() / 4));
      }
    }
  }

  return {
    client: openClient(connection, payloads),
    call,
    async check(withinMs) {
      await call(() => connection.workflowService.getSystemInfo({}), withinMs);
    },
    async close() {
      isClosed = true;
      await connection.close();
    },
  };
}

/**
 * A connection for a command that waits for minutes and lists thousands of workflows: there the SDK's own retries, which
 * {@link openTemporal} turns off, are right.
 * @throws {TemporalUnavailableError} when no Temporal server answers at this address within 5 s.
 */
export async function connectTemporal({
  address,
  ...payloads
}: TemporalAddress): Promise<Pick<TemporalConnection, 'client' | 'close'>> {
  const options = { address, channelArgs: CHANNEL_OPTIONS, connectTimeout: CONNECT_DEADLINE_MS };
  try {
    const connection = await Connection.connect(options);
    return { client: openClient(connection, payloads), close: () => connection.close() };
  } catch (cause) {
    throw new TemporalUnavailableError(`No Temporal server answers at ${address}.`, { cause });
  }
}

/** A client on a connection that is there already. */
export const openClient = (
  connection: NonNullable<ClientOptions['connection']>,
  payloads: PayloadSettings,
): Client =>
  new Client({
    connection,
    namespace: payloads.namespace,
    dataConverter: dataConverterOf(payloads),
    interceptors: CLIENT_INTERCEPTORS,
  });
