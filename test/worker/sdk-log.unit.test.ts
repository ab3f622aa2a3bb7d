/** A worker's log warns of nothing that is meant so, and of everything else that the SDK warns of. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { sdkLogger } from '../../worker/sdk-log.ts';

test('only what sends to webhooks and what asks for payments may be without workflows', () => {
  const levels: unknown[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => levels.push(JSON.parse(line).level) });
  const sdk = sdkLogger(logger, 'orders');
  const said = 'No workflows registered, not polling for workflow tasks';
  sdk.warn(said, { taskQueue: 'orders-webhooks' });
  sdk.warn(said, { taskQueue: 'orders-payments' });
  sdk.warn(said, { taskQueue: 'orders' });
  sdk.warn('something else', { taskQueue: 'orders-webhooks' });
  const { debug, warn } = pino.levels.values;
  expect(levels).toEqual([debug, debug, warn, warn]);
});
