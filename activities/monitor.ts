/** The monitor's activities: they take measures, open and close alerts, and deliver notices to the receiver. */
import { ApplicationFailure } from '@temporalio/common';
import type { Database } from '../db/connection.ts';
import { listUndelivered, markDelivered, nextNotice, waiveOldNotices } from '../db/monitor/alerts.ts';
import { keepMeasurements, type Judged } from '../db/monitor/measurements.ts';
import { takeMeasure, type MeasureLimits } from '../db/monitor/measures.ts';
import { keepRunEnd } from '../db/monitor/runs.ts';
import { ALERT_RULES, MEASURES, type Measure, type RunName } from '../domain/measures.ts';
import { deliverWorkflowId } from '../domain/workflow-ids.ts';
import type { MonitorEnd } from '../domain/measures.ts';
import { messageOf } from '../process/redaction.ts';
import { toActivityFailure } from './errors.ts';
import { postNotice } from './webhook.ts';

export interface MonitorSettings extends MeasureLimits {
  thresholds: Readonly<Record<Measure, number>>;
  /** Of this deployment. */
  taskQueue: string;
  /** Where alerts are posted; undefined when nobody receives them. */
  webhookUrl: string | undefined;
}

export interface Delivery {
  name: Measure;
  /** Given to the workflow, which does not know its task queue at a replay. */
  workflowId: string;
}

export interface MonitorActivities {
  /** @param run its time, ISO 8601. Run again with the same time, it changes nothing. */
  measure: (run: { at: string }) => Promise<MonitorEnd>;
  /**
   * Records that a run ended, and judges whether the others end: the monitor cannot notice that it does not run itself.
   * @param end its time, ISO 8601.
   */
  recordRunEnd: (end: { run: RunName; at: string }) => Promise<void>;
  /** The deliveries to start so that every notice is delivered; none when there is no receiver. */
  listUndelivered: () => Promise<Delivery[]>;
  /** Delivers the oldest notice of a measure's alerts. Returns false when there was none. */
  deliverNotice: (of: { name: Measure }) => Promise<boolean>;
}

export function createMonitorActivities(database: Database, settings: MonitorSettings): MonitorActivities {
  const { thresholds, webhookUrl, taskQueue } = settings;

  async function judge(name: Measure, at: string): Promise<Judged> {
    const { value, subjects } = await takeMeasure(database, name, at, settings);
    const threshold = thresholds[name];
    const crossed = ALERT_RULES[name].opens === 'above' ? value > threshold : value < threshold;
    return { name, value, subjects, threshold, crossed };
  }

  return {
    async measure({ at }) {
      const judged: Judged[] = [];
      const failures: string[] = [];
      // One after the other, so that measuring takes one connection from the steps of orders and not ten.
      for (const name of MEASURES) {
        try {
          judged.push(await judge(name, at));
        } catch (error) {
          // The other measures count all the same.
          failures.push(`${name} (${messageOf(error)})`);
        }
      }
      if (judged.length > 0)
        await toActivityFailure('the record of the measurements', keepMeasurements(database, at, judged));
      if (failures.length > 0)
        throw ApplicationFailure.create({
          type: 'not_measured',
          message: `PostgreSQL did not answer for: ${failures.join(', ')}.`,
        });
      const crossed = judged.filter((one) => one.crossed).map(({ name }) => name);
      return { measured: judged.length, crossed };
    },

    async recordRunEnd({ run, at }) {
      await toActivityFailure('the end of a run', keepRunEnd(database, run, at));
      const judged = await toActivityFailure('the check for overdue runs', judge('runs_overdue', at));
      await toActivityFailure('the record of the measurements', keepMeasurements(database, at, [judged]));
    },

    async listUndelivered() {
      if (webhookUrl === undefined) {
        // A receiver that is configured later must not be sent everything that happened until then.
        await toActivityFailure('waiving notices', waiveOldNotices(database, new Date()));
        return [];
      }
      const names = await toActivityFailure('the list of notices', listUndelivered(database));
      return names.map((name) => ({ name, workflowId: deliverWorkflowId(taskQueue, name) }));
    },

    async deliverNotice({ name }) {
      if (webhookUrl === undefined) return false;
      const notice = await toActivityFailure('reading the next notice', nextNotice(database, name));
      if (!notice) return false;
      await postNotice(webhookUrl, notice);
      const { alert, event } = notice;
      await toActivityFailure('the mark on a notice', markDelivered(database, alert.id, event, new Date()));
      return true;
    },
  };
}
