/** What a real Prometheus knows, for tests of what is asked of it. */
import { z } from 'zod';

const answerSchema = z.object({ status: z.literal('success'), data: z.unknown() });
const targetsSchema = z.object({
  activeTargets: z.array(
    z.object({ labels: z.object({ job: z.string() }), health: z.string(), lastError: z.string() }),
  ),
});
const vectorSchema = z.object({ result: z.array(z.unknown()) });
const seriesSchema = z.array(z.record(z.string(), z.string()));

export class PrometheusReader {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  /** Fails with what Prometheus says of a query that it does not understand. */
  async #get(path: string, parameters: Record<string, string> = {}): Promise<unknown> {
    const answer = await fetch(
      `${this.#address}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`,
    );
    const body: unknown = await answer.json();
    const parsed = answerSchema.safeParse(body);
    if (!parsed.success) throw new Error(`${path} ${JSON.stringify(parameters)}: ${JSON.stringify(body)}`);
    return parsed.data.data;
  }

  /** The jobs that are scraped, and how each of them last ended. */
  async targets(): Promise<{ job: string; health: string; lastError: string }[]> {
    const { activeTargets } = targetsSchema.parse(await this.#get('targets'));
    return activeTargets.map(({ labels: { job }, health, lastError }) => ({ job, health, lastError }));
  }

  /** How many series a query gives now. */
  async count(query: string): Promise<number> {
    return vectorSchema.parse(await this.#get('query', { query })).result.length;
  }

  /** The labels of a metric's series. */
  async labelsOf(metric: string): Promise<ReadonlySet<string>> {
    const series = seriesSchema.parse(await this.#get('series', { 'match[]': metric }));
    return new Set(series.flatMap((labels) => Object.keys(labels)));
  }
}
