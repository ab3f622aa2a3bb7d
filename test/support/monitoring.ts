/** The monitor on a test's system: it measures on request, and what it kept is read through the API. */
import { randomUUID } from 'node:crypto';
import { afterEach } from 'vitest';
import { z } from 'zod';
import { createMonitorActivities, type MonitorSettings } from '../../activities/monitor.ts';
import type { Measure, MonitorEnd } from '../../domain/measures.ts';
import { workerSettings } from '../../settings.ts';
import { monitorSettings } from '../../worker/monitor-settings.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { plant } from './planted.ts';
import { expectStatus } from './shop.ts';
import type { TestSystem } from './system.ts';

export const MINUTE = 60_000;

export const measurementSchema = z.looseObject({
  minute: z.string(),
  name: z.string(),
  value: z.number(),
  subjects: z.array(z.string()),
});
export const alertSchema = z.looseObject({ id: z.string(), state: z.string(), value: z.number() });

/** Call at the top of a file: every test of it begins without anything of the last hour, and with no open alert. */
export function monitoring({ shop, client, sql, database, taskQueue, url }: TestSystem) {
  const settings = monitorSettings(workerSettings({ DATABASE_URL: url, TEMPORAL_ADDRESS: 'localhost:1' }));
  /** The monitor's activities, as a worker with other settings has them. */
  const activities = (changed: Partial<MonitorSettings> = {}) =>
    createMonitorActivities(database, { ...settings, ...changed });

  /** All of a list, in pages of `limit`. */
  async function listAll<Item>(path: string, item: z.ZodType<Item>, limit = 100): Promise<Item[]> {
    const items: Item[] = [];
    for (let cursor = ''; ;) {
      const { body } = expectStatus(await shop.get(`${path}&limit=${limit}${cursor}`), 200);
      items.push(...z.array(item).parse(body['items']));
      if (body['nextCursor'] === null) return items;
      cursor = `&cursor=${z.string().parse(body['nextCursor'])}`;
    }
  }

  afterEach(async () => {
    await plant(sql, async (to) => {
      await to`update order_step set recorded_at = recorded_at - interval '1 day'`;
      await to`update idempotency_key set recorded_at = recorded_at - interval '1 day'`;
      await to`update orders set stage = 'expired' where stage = 'awaiting_payment'`;
      await to`delete from refund_payment`;
      await to`delete from payment`;
      await to`update finding set state = 'gone', ended_at = now() where state = 'open'`;
    });
    await activities().measure({ at: new Date().toISOString() });
  });

  return {
    settings,
    activities,
    listAll,
    runMonitor: (): Promise<MonitorEnd> =>
      client.workflow.execute<() => Promise<MonitorEnd>>(WORKFLOW.monitor, {
        workflowId: `monitor-${randomUUID()}`,
        taskQueue,
      }),
    listAlerts: (name: Measure) => listAll(`/v1/alerts?name=${name}`, alertSchema),
    readLatest: async (name: Measure) =>
      (await listAll(`/v1/measurements?name=${name}`, measurementSchema)).at(0),
    listNotices: (name: Measure) =>
      sql`select event from alert_notice join alert on alert.id = alert_id where name = ${name} order by at`,
  };
}
