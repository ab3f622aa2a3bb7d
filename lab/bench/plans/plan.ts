/** A plan as PostgreSQL reports it after it was carried out. */
import { z } from 'zod';

const base = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Index Cond': z.string().optional(),
  /** For each loop, as the next two. */
  'Actual Rows': z.number(),
  'Actual Loops': z.number(),
  'Rows Removed by Filter': z.number().default(0),
  'Rows Removed by Index Recheck': z.number().default(0),
  'Shared Hit Blocks': z.number(),
  'Shared Read Blocks': z.number(),
});

export interface PlanNode extends z.infer<typeof base> {
  Plans: PlanNode[];
}

const node: z.ZodType<PlanNode> = base.extend({
  get Plans() {
    return z.array(node).default([]);
  },
});

const report = z.object({ 'Query Text': z.string(), Plan: node });

/** A statement that was carried out. */
export interface Explained {
  text: string;
  ms: number;
  plan: PlanNode;
}

const MESSAGE = /^duration: (?<ms>[\d.]+) ms {2}plan:\n(?<json>[\s\S]*)$/;

/** What a notice explains; undefined for another notice. */
export function readExplained(notice: string): Explained | undefined {
  const { ms, json } = MESSAGE.exec(notice)?.groups ?? {};
  if (ms === undefined || json === undefined) return undefined;
  const { 'Query Text': text, Plan: plan } = report.parse(JSON.parse(json));
  return { text, ms: Number(ms), plan };
}

/** The node and all below it. */
export const nodesOf = (plan: PlanNode): PlanNode[] => [plan, ...plan.Plans.flatMap(nodesOf)];
