/** What the monitor measured and the alerts it opened. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { listAlerts } from '../../db/monitor/alerts.ts';
import { listMeasurements } from '../../db/monitor/measurements.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import {
  alertPage,
  toAlertReply,
  alertsQuery,
  measurementPage,
  toMeasurementReply,
  measurementsQuery,
  formatMeasurementCursor,
} from '../schemas/monitor.ts';
import { toPage } from '../schemas/page.ts';
import { problemResponses } from '../schemas/problem.ts';

const measurements = createRoute({
  method: 'get',
  path: '/measurements',
  operationId: 'listMeasurements',
  tags: ['Monitor'],
  summary: 'List the measurements of each minute, newest first',
  request: { query: measurementsQuery },
  responses: {
    200: {
      description: 'A page of measurements',
      content: { 'application/json': { schema: measurementPage } },
    },
    ...problemResponses('validation_failed'),
  },
});

const alerts = createRoute({
  method: 'get',
  path: '/alerts',
  operationId: 'listAlerts',
  tags: ['Monitor'],
  summary: 'List alerts, newest first',
  request: { query: alertsQuery },
  responses: {
    200: { description: 'A page of alerts', content: { 'application/json': { schema: alertPage } } },
    ...problemResponses('validation_failed'),
  },
});

export function monitorRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(measurements, async (c) => {
    const { limit, cursor: after, ...filter } = c.req.valid('query');
    const rows = await listMeasurements(c.var.database, filter, { after, limit: limit + 1 });
    const page = { limit, item: toMeasurementReply, cursorOf: formatMeasurementCursor };
    return c.json(linkNext(c, toPage('measurements', rows, page)), 200);
  });

  app.openapi(alerts, async (c) => {
    const { limit, cursor: before, ...filter } = c.req.valid('query');
    const rows = await listAlerts(c.var.database, filter, { before, limit: limit + 1 });
    const page = toPage('alerts', rows, { limit, item: toAlertReply, cursorOf: ({ id }) => id });
    return c.json(linkNext(c, page), 200);
  });

  return app;
}
