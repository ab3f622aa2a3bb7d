/** A call to Temporal is repeated while that may help, and no longer than its caller waits. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openTemporal } from '../../client/connection.ts';
import { TemporalUnavailableError } from '../../client/errors.ts';

/** Nothing connects before a call really goes out. */
function open() {
  const temporal = openTemporal({ address: '127.0.0.1:1', namespace: 'default', payloadKeys: undefined });
  onTestFinished(() => temporal.close());
  return temporal;
}

const unavailable = () => new TemporalUnavailableError('Temporal is starting.');

test('a call that fails because Temporal is unavailable is repeated until it succeeds', async () => {
  const send = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(unavailable())
    .mockRejectedValueOnce(unavailable())
    .mockResolvedValue('answer');
  expect(await open().call(send)).toBe('answer');
  expect(send).toHaveBeenCalledTimes(3);
});

test('a call that Temporal never answers is repeated only while its caller waits', async () => {
  const send = vi.fn(() => Promise.reject(unavailable()));
  await expect(open().call(send, 400)).rejects.toThrow('Temporal gave no answer in time.');
  expect(send.mock.calls.length).toBeGreaterThan(1);
  expect(send.mock.calls.length).toBeLessThan(5);
});

test('a call that Temporal answers with an error of the call itself is not repeated', async () => {
  const send = vi.fn(() => Promise.reject(new WorkflowNotFoundError('not found', 'order-1', undefined)));
  await expect(open().call(send)).rejects.toThrow(WorkflowNotFoundError);
  expect(send).toHaveBeenCalledTimes(1);
});

test('a call on a connection that was closed is not sent', async () => {
  const temporal = open();
  await temporal.close();
  const send = vi.fn(() => Promise.resolve());
  await expect(temporal.call(send)).rejects.toThrow(TemporalUnavailableError);
  expect(send).not.toHaveBeenCalled();
});
