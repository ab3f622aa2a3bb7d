/**
 * Checks a chain of rows, one after the other, in constant memory. It asks nobody: the rows may come from the database or from a file.
 *
 * A row proves by its own hash that it says what was sealed, and by the hash of the row before it that this one is still the same. So
 * to change a row one must rewrite every row after it; the heads that were kept elsewhere show that.
 */
import { NO_HASH, type AuditHead } from '../../domain/audit.ts';
import { readDroppedRuns, type DroppedRun } from './dropped-runs.ts';
import { describeRow, hashOf, type SealedRow } from './sealed-row.ts';

/** A head that somebody kept, and who did, as in "the last run of the schedule". */
export interface KeptHead extends AuditHead {
  keptBy: string;
}

export interface ChainOptions {
  /**
   * - chain: it begins at row 1, or behind what was dropped
   * - part: it begins at any row
   * - excerpt: rows may be missing
   */
  extent: 'chain' | 'part' | 'excerpt';
  heads?: readonly KeptHead[];
}

/** What a check has found. */
export interface ChainReport {
  rows: number;
  first: SealedRow | null;
  last: SealedRow | null;
  /** Sentences. */
  flaws: string[];
  /** How many more there are than `flaws` shows. */
  more: number;
}

/** Rows that are missing, both ends left out. */
interface Gap {
  after: number;
  before: number;
  /** The hash of the last one, by the row that follows. */
  lastHash: string;
  why: string;
}

const FLAWS_SHOWN = 100;
/** Each month that was dropped leaves a few. */
const GAPS_KEPT = 1_000;
const SHOWN_OF_A_HASH = 12;

export class ChainCheck {
  readonly #options: ChainOptions;
  readonly #heads: Map<number, KeptHead[]>;
  readonly #flaws: string[] = [];
  readonly #gaps: Gap[] = [];
  readonly #dropped: DroppedRun[] = [];
  #more = 0;
  #rows = 0;
  #first: SealedRow | null = null;
  #last: SealedRow | null = null;
  /** Whether the last row says itself that it was changed: what follows from that is not said again. */
  #isLastChanged = false;

  constructor(options: ChainOptions) {
    this.#options = options;
    this.#heads = Map.groupBy(options.heads ?? [], ({ seq }) => seq);
  }

  /** Call it with each row, by number. */
  take(row: SealedRow): void {
    const isChanged = hashOf(row) !== row.hash;
    this.#rows += 1;
    this.#first ??= row;
    this.#checkPlace(row, isChanged);
    if (isChanged)
      this.report(`Row ${describeRow(row)} was changed or inserted: its hash is not that of what it says.`);
    for (const head of this.#heads.get(row.seq) ?? []) this.#compare(row, head);
    if (row.kind === 'retention') this.takeDropped(readDroppedRuns(row.before));
    this.#last = row;
    this.#isLastChanged = isChanged;
  }

  /** What was dropped as the policy says, and is recorded. Rows that are missing for another reason were removed. */
  takeDropped(runs: readonly DroppedRun[]): void {
    this.#dropped.push(...runs);
  }

  /** Adds what was found by other means. */
  report(sentence: string): void {
    if (this.#flaws.length < FLAWS_SHOWN) this.#flaws.push(sentence);
    else this.#more += 1;
  }

  /**
   * Call it after the last row.
   * @param head what the database says is the last row; undefined when nothing says it.
   */
  end(head?: AuditHead): ChainReport {
    if (head) this.#checkEnd(head);
    for (const gap of this.#gaps) this.#judge(gap);
    const end = Math.max(this.#last?.seq ?? 0, head?.seq ?? 0);
    for (const kept of [...this.#heads.values()].flat())
      if (kept.seq > end && this.#options.extent === 'chain')
        this.report(
          `${rowsBetween(end, kept.seq + 1)} cut off the end: ${kept.keptBy} recorded row ${describe(kept)}.`,
        );
    return {
      rows: this.#rows,
      first: this.#first,
      last: this.#last,
      flaws: this.#flaws,
      more: this.#more,
    };
  }

  /** Whether a row follows the one before it. */
  #checkPlace(row: SealedRow, isChanged: boolean): void {
    const last = this.#last;
    if (row.seq < 1) {
      this.report(`Row ${describeRow(row)} was inserted: numbers begin at 1.`);
    } else if (last === null || last.seq < 1) {
      if (this.#options.extent !== 'chain') return;
      if (row.seq > 1) this.#miss(0, row, `row ${row.seq} is the first`);
      else if (row.previousHash !== NO_HASH && !isChanged)
        this.report(`Row ${describeRow(row)} was replaced: it does not begin a chain.`);
    } else if (row.seq === last.seq) {
      this.report(
        `Two rows have the number ${row.seq}, ${describeRow(last)} and ${describeRow(row)}: one of them was inserted.`,
      );
    } else if (row.seq > last.seq + 1) {
      this.#miss(last.seq, row, `row ${row.seq} comes after row ${last.seq}`);
    } else if (row.previousHash !== last.hash && !isChanged && !this.#isLastChanged) {
      this.report(
        `Row ${describeRow(last)} was replaced, with a hash to match: row ${row.seq} follows another row ${last.seq}, with the hash ${short(row.previousHash)}.`,
      );
    }
  }

  #checkEnd(head: AuditHead): void {
    const last = this.#last;
    const seq = last?.seq ?? 0;
    if (head.seq > seq)
      this.#keepGap({
        after: seq,
        before: head.seq + 1,
        lastHash: head.hash,
        why: `the database itself names row ${head.seq} as the last`,
      });
    else if (last !== null && (head.seq !== seq || head.hash !== last.hash))
      this.report(
        `The last row is ${describeRow(last)}, but the database itself names row ${describe(head)} as the last: one of them was changed.`,
      );
  }

  #miss(after: number, { seq, previousHash }: SealedRow, why: string): void {
    if (this.#options.extent !== 'excerpt')
      this.#keepGap({ after, before: seq, lastHash: previousHash, why });
  }

  /** Judged at the end: that rows were dropped is recorded in a later row. */
  #keepGap(gap: Gap): void {
    if (this.#gaps.length < GAPS_KEPT) this.#gaps.push(gap);
    else this.report(describeGap(gap));
  }

  #judge(gap: Gap): void {
    const end = this.#dropped.find(
      ({ lastSeq, lastHash }) => lastSeq === gap.before - 1 && lastHash === gap.lastHash,
    );
    if (!end) {
      this.report(describeGap(gap));
      return;
    }
    for (let from = end.firstSeq; from > gap.after + 1;) {
      const earlier = this.#lastDroppedBefore(from, gap.after);
      if (!earlier) {
        // Of what was dropped first, the record may have been dropped since.
        if (gap.after > 0) this.report(describeGap({ ...gap, before: from }));
        return;
      }
      if (earlier.lastSeq < from - 1)
        this.report(describeGap({ ...gap, after: earlier.lastSeq, before: from }));
      from = Math.min(earlier.firstSeq, earlier.lastSeq);
    }
  }

  #lastDroppedBefore(before: number, after: number): DroppedRun | undefined {
    let last: DroppedRun | undefined;
    for (const run of this.#dropped)
      if (run.lastSeq < before && run.lastSeq > after && run.lastSeq > (last?.lastSeq ?? 0)) last = run;
    return last;
  }

  #compare(row: SealedRow, head: KeptHead): void {
    if (row.hash !== head.hash)
      this.report(
        `The chain was rewritten, at row ${row.seq} or before it: ${head.keptBy} recorded row ${describe(head)}, which now has the hash ${short(row.hash)}.`,
      );
  }
}

const short = (hash: string): string => `${hash.slice(0, SHOWN_OF_A_HASH)}…`;
const describe = ({ seq, hash }: AuditHead): string => `${seq} with the hash ${short(hash)}`;
const describeGap = ({ after, before, why }: Gap): string => `${rowsBetween(after, before)} removed: ${why}.`;

/** Of the rows between two numbers, both left out. */
const rowsBetween = (after: number, before: number): string =>
  before - after === 2 ? `Row ${after + 1} was` : `Rows ${after + 1} to ${before - 1} were`;
