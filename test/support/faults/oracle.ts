/**
 * What the user of a log was told, and so what any later opening of it must find and may find.
 *
 * The oracle knows nothing of files. It hears what was submitted, acknowledged and refused, and
 * judges what an opened log shows.
 */
import { FailedError } from '../../../src/core/errors.ts';

/** What a machine went through since the oracle heard something last. */
export type Mishap = 'power cut' | 'kill';

/** What an opened log shows. */
export interface Found {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly epoch: number;
  readonly records: readonly FoundRecord[];
}

export interface FoundRecord {
  readonly offset: number;
  readonly value: string | null;
}

export class Oracle {
  /** By offset: the values that may stand there. One, unless the fate of some is unknown. */
  readonly #possible = new Map<number, Set<string>>();
  /** Everything below survives a power cut, or a kill. */
  syncedEnd = 0;
  writtenEnd = 0;
  /** The start offset lies between the last one promised and the last one asked for. */
  startMin = 0;
  startMax = 0;
  /** Highest epoch that an opened log had. */
  epoch = 0;
  submittedCount = 0;
  ackedCount = 0;
  refusedCount = 0;

  /** Tells states of knowledge apart: equal disks need no second look under equal knowledge. */
  get signature(): string {
    const { syncedEnd, writtenEnd, startMin, startMax, epoch } = this;
    const possible = [...this.#possible].map(
      ([offset, values]) => `${offset}:${[...values].map((value) => value.slice(0, 10)).join('|')}`,
    );
    return [syncedEnd, writtenEnd, startMin, startMax, epoch, ...possible].join(' ');
  }

  submitted(offset: number, value: string): void {
    const values = this.#possible.get(offset) ?? new Set();
    this.#possible.set(offset, values.add(value));
    this.submittedCount += 1;
  }

  acked(offset: number, value: string, level: 'os' | 'interval' | 'sync'): void {
    this.#possible.set(offset, new Set([value]));
    this.writtenEnd = Math.max(this.writtenEnd, offset + 1);
    if (level === 'sync') this.syncedEnd = Math.max(this.syncedEnd, offset + 1);
    this.ackedCount += 1;
  }

  /** The call was rejected: unless its fate is unknown, the record must never be seen. */
  refused(offset: number, value: string, error: unknown): void {
    this.refusedCount += 1;
    if (error instanceof FailedError && error.details.indeterminate) return;
    const values = this.#possible.get(offset);
    values?.delete(value);
    if (values?.size === 0) this.#possible.delete(offset);
  }

  /** Everything written so far was synced: `sync()` resolved, or the log was closed. */
  synced(endOffset: number): void {
    this.writtenEnd = Math.max(this.writtenEnd, endOffset);
    this.syncedEnd = Math.max(this.syncedEnd, endOffset);
  }

  /** The start is being moved, at most to `offset`. */
  startMoves(offset: number): void {
    this.startMax = Math.max(this.startMax, offset);
  }

  startMoved(offset: number): void {
    this.startMin = Math.max(this.startMin, offset);
    this.startMax = Math.max(this.startMax, offset);
  }

  /** A log was opened for writing: what it shows is durable now and for ever. */
  opened(found: Found): void {
    for (const offset of this.#possible.keys()) {
      if (offset >= found.endOffset) this.#possible.delete(offset);
    }
    for (const { offset, value } of found.records)
      this.#possible.set(offset, new Set([value ?? '']));
    this.synced(found.endOffset);
    this.startMin = found.startOffset;
    this.startMax = found.startOffset;
    this.epoch = found.epoch;
  }

  /** An oracle that knows the same, for another life on a copy of the disk. */
  copy(): Oracle {
    const copy = new Oracle();
    for (const [offset, values] of this.#possible) copy.#possible.set(offset, new Set(values));
    const { syncedEnd, writtenEnd, startMin, startMax, epoch, submittedCount } = this;
    const known = { syncedEnd, writtenEnd, startMin, startMax, epoch, submittedCount };
    return Object.assign(copy, known);
  }

  /** The same after a mishap: a power cut took what was only written. */
  after(mishap: Mishap): Oracle {
    const copy = this.copy();
    if (mishap === 'power cut') copy.writtenEnd = copy.syncedEnd;
    return copy;
  }

  /** Everything that is wrong with what a log shows after a mishap. */
  problems(found: Found, mishap: Mishap): string[] {
    const { startOffset, endOffset, records } = found;
    const problems: string[] = [];
    const promisedEnd = mishap === 'kill' ? this.writtenEnd : this.syncedEnd;
    if (endOffset < promisedEnd) {
      problems.push(`acknowledged up to ${promisedEnd}, the log ends at ${endOffset}`);
    }
    if (startOffset < this.startMin || startOffset > this.startMax) {
      problems.push(`starts at ${startOffset}, expected ${this.startMin} to ${this.startMax}`);
    }
    if (records.length !== Math.max(0, endOffset - startOffset)) {
      problems.push(`${records.length} records in [${startOffset}, ${endOffset})`);
    }
    records.forEach(({ offset, value }, index) => {
      if (offset !== startOffset + index) problems.push(`offset ${offset} at place ${index}`);
      if (!this.#mayBe(offset, value)) problems.push(`offset ${offset} holds ${describe(value)}`);
    });
    return problems;
  }

  #mayBe(offset: number, value: string | null): boolean {
    return value !== null && this.#possible.get(offset)?.has(value) === true;
  }
}

function describe(value: string | null): string {
  return value === null ? 'null' : `'${value.slice(0, 20)}' (${value.length} characters)`;
}
