/** The monitor's activities: they take measures, open and close alerts, and deliver notices to the receiver. */
import { ApplicationFailure } from '@temporalio/common';
import type { Database } from '../db/connection.ts';
import {
  keepReceivers,
  listReceivers,
  listUndelivered,
  markDelivered,
  nextNotice,
  type Line,
} from '../db/monitor/deliveries.ts';
import { keepMeasurements, type Judged } from '../db/monitor/measurements.ts';
import { takeMeasure, type MeasureLimits } from '../db/monitor/measures.ts';
import { keepRunEnd } from '../db/monitor/runs.ts';
import { ALERT_RECEIVERS } from '../domain/alert-receivers.ts';
import { ALERT_RULES, MEASURES, type Measure, type RunName } from '../domain/measures.ts';
import { deliverWorkflowId } from '../domain/workflow-ids.ts';
import type { MonitorEnd } from '../domain/measures.ts';
import { messageOf } from '../process/redaction.ts';
import { toActivityFailure } from './errors.ts';
import { postNotice } from './alerts/post.ts';
import { toRequest, type AlertReceivers } from './alerts/receivers.ts';

export interface MonitorSettings extends MeasureLimits {
  thresholds: Readonly<Record<Measure, number>>;
  /** Of this deployment. */
  taskQueue: string;
  /** Who is sent alerts; each gets every notice. */
  receivers: AlertReceivers;
  /** The address of the runbook, for links to the section of an alert. */
  runbook?: string | undefined;
}

export interface Delivery extends Line {
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
  /** The deliveries to start so that every receiver gets every notice. */
  listUndelivered: () => Promise<Delivery[]>;
  /**
   * Delivers to a receiver the oldest notice of a measure's alerts that it has not got. Returns false when there was none.
   * @param of.receiver `webhook`, if a delivery that began before 0.10 names none.
   */
  deliverNotice: (of: Pick<Line, 'name'> & Partial<Line>) => Promise<boolean>;
}

export function createMonitorActivities(database: Database, settings: MonitorSettings): MonitorActivities {
  const { thresholds, receivers, runbook, taskQueue } = settings;
  const configured = ALERT_RECEIVERS.filter((receiver) => receivers[receiver] !== undefined).toSorted();

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
      const known = await toActivityFailure('the list of receivers', listReceivers(database));
      if (known.join() !== configured.join())
        await toActivityFailure('the receivers of alerts', keepReceivers(database, configured));
      const lines = await toActivityFailure('the list of notices', listUndelivered(database));
      return lines.map((line) => ({ ...line, workflowId: deliverWorkflowId(taskQueue, line) }));
    },

    async deliverNotice({ name, receiver = 'webhook' }) {
      const line = { name, receiver };
      const notice = await toActivityFailure('reading the next notice', nextNotice(database, line));
      const request = notice && toRequest(receiver, receivers, notice, runbook);
      if (!request) return false;
      await postNotice(request, notice);
      const delivered = { alertId: notice.alert.id, event: notice.event, receiver };
      await toActivityFailure('the mark on a notice', markDelivered(database, delivered, new Date()));
      return true;
    },
  };
}
