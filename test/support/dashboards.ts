/** The dashboards of ops/grafana/, as far as tests look at them. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const FOLDER = fileURLToPath(new URL('../../ops/grafana/dashboards', import.meta.url));

const linkSchema = z.object({ title: z.string(), url: z.string().optional() });
const panelSchema = z.object({
  id: z.int(),
  title: z.string().min(1),
  type: z.enum(['row', 'timeseries', 'stat', 'table', 'text']),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  datasource: z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') }).optional(),
  targets: z.array(z.object({ refId: z.string(), expr: z.string(), legendFormat: z.string() })).default([]),
});
const dashboardSchema = z.object({
  uid: z.string(),
  title: z.string(),
  links: z.array(linkSchema),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
  panels: z.array(panelSchema),
});

export interface Dashboard extends z.output<typeof dashboardSchema> {
  file: string;
  /** The whole file. */
  text: string;
}

export const DASHBOARDS: readonly Dashboard[] = readdirSync(FOLDER).map((file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  return { file, text, ...dashboardSchema.parse(JSON.parse(text)) };
});

/** Grafana fills in how long a rate needs to look back. */
const asPrometheus = (expr: string): string => expr.replaceAll('$__rate_interval', '1m');

/** Every query of every panel, as Prometheus gets it. */
export const DASHBOARD_QUERIES: readonly { name: string; query: string }[] = DASHBOARDS.flatMap(
  ({ file, panels }) =>
    panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({ name: `${file}: ${title}`, query: asPrometheus(expr) })),
    ),
);
