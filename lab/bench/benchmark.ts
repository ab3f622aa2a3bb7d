/** What every benchmark is given, and what it gives back. */

export interface BenchmarkOptions {
  /** How long one round lasts; left out: as the benchmark thinks best. */
  seconds: number | undefined;
  /** Ends the run early. */
  signal: AbortSignal;
  /** Told what goes on, line by line. */
  report: (line: string) => void;
}

export interface Outcome {
  /** For people. */
  markdown: string;
  /** The same for programs. */
  figures: object;
}

/** @throws when a request was not answered as expected or a rule of the system is broken: then there are no figures. */
export type Benchmark = (options: BenchmarkOptions) => Promise<Outcome>;
