/**
 * Records with ids that are on their way: appended, and neither visible nor refused yet. Whoever sends
 * such an id again waits for what becomes of the first.
 *
 * Most stand in the table already, by the offsets that they will have, and are known here by the runs that
 * they are in. For others there is a small object per record.
 */
import { present } from '../core/assert.ts';
import { areEqual, identityAt, type DedupIdentity } from './dedup-call.ts';
import type { DedupSettings } from './dedup-options.ts';
import { fingerprintKey, type RunParts } from './dedup-sorting.ts';
import type { DedupPlace } from './dedup-table.ts';

/** Records of one call that stand together in a partition. */
export class PendingRun {
  readonly partition: number;
  readonly records: RunParts['records'];
  readonly ids: RunParts['ids'];
  /** Of each: high and low. */
  readonly words: Uint32Array;
  readonly gone: RunParts['gone'];
  /** Those whose fate is not known. */
  count: number;
  /** Of the first; -1 = a commit will bring it. */
  baseOffset: number;
  /** When it was appended, or committed: its window begins then, however long it takes to be visible. */
  timeMs = 0;
  /** Whether the journal has it for certain, though nobody may see it yet. */
  isCommitted = false;
  /** Resolves when its fate is known. */
  readonly outcome: Promise<void>;
  /** Why nobody can say what became of it, before the store is opened again. */
  failure: Error | null = null;
  #decide: () => void = () => undefined;

  constructor({ partition, records, ids, words, gone }: RunParts, baseOffset: number) {
    this.partition = partition;
    this.records = records;
    this.ids = ids;
    this.words = words;
    this.gone = gone;
    this.count = records.length;
    this.baseOffset = baseOffset;
    this.outcome = new Promise((resolve) => {
      this.#decide = resolve;
    });
  }

  decided(): void {
    this.#decide();
  }
}

/** A run of so many records that the table has already. */
export function enteredRun(partition: number, baseOffset: number, count: number): PendingRun {
  const run = new PendingRun({ partition, ...NOTHING }, baseOffset);
  run.count = count;
  return run;
}

const NOTHING = { records: [], ids: [], words: new Uint32Array(0), gone: [] };

/** One record of a run. */
interface PendingRecord {
  readonly run: PendingRun;
  readonly at: number;
  /** Another with the same 53 bits. */
  readonly next: PendingRecord | null;
}

export class DedupPending {
  readonly #records = new Map<number, PendingRecord>();
  readonly #runs = new Set<PendingRun>();
  /** By partition, ascending by offset: those that the table has. */
  readonly #entered = new Map<number, PendingRun[]>();

  /** Of those whose fate may still be heard of. */
  get outcomes(): readonly Promise<void>[] {
    return [...this.#runs].filter(({ failure }) => failure === null).map(({ outcome }) => outcome);
  }

  /** Of those that stand in a partition, the first offset; infinite = there are none. O(runs). */
  firstOffset(number: number): number {
    let first = Infinity;
    for (const { partition, baseOffset } of this.#runs) {
      if (partition === number && baseOffset >= 0) first = Math.min(first, baseOffset);
    }
    return first;
  }

  add(run: PendingRun): void {
    this.#runs.add(run);
    const { words } = run;
    if (words.length === 0) this.#addEntered(run);
    for (let at = 0; at < run.records.length; at++) {
      const key = fingerprintKey(words, at);
      if (key !== 0) this.#records.set(key, { run, at, next: this.#records.get(key) ?? null });
    }
  }

  /** The fate of its records from the `from`th on is known. */
  remove(run: PendingRun, from = 0): void {
    for (let at = from; at < run.records.length; at++) this.#forget(run, at);
    run.count = from;
    if (from > 0) return;
    this.#runs.delete(run);
    const entered = this.#entered.get(run.partition) ?? [];
    const at = entered.indexOf(run); // One of the first, mostly.
    if (at >= 0) entered.splice(at, 1);
  }

  /** The run that brings a record to a place that the table has; null = none does. */
  at({ partition, offset }: DedupPlace): PendingRun | null {
    const entered = this.#entered.get(partition) ?? [];
    let from = 0;
    let to = entered.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      const run = present(entered[middle], 'below the length');
      if (offset < run.baseOffset) to = middle;
      else if (offset < run.baseOffset + run.count) return run;
      else from = middle + 1;
    }
    return null;
  }

  /** Whether none of a run can be on its way. */
  hasNone(words: Uint32Array): boolean {
    if (this.#records.size === 0) return true;
    for (let at = 0; 2 * at < words.length; at++) {
      const key = fingerprintKey(words, at);
      if (key !== 0 && this.#records.has(key)) return false;
    }
    return true;
  }

  /** An equal record that is on its way; null = none is. @param key  `fingerprintKey` of the record */
  find(identity: DedupIdentity, key: number, settings: DedupSettings): PendingRecord | null {
    let found = this.#records.get(key) ?? null;
    while (found !== null) {
      if (areEqual(identity, identityAt(found.run, found.at), settings)) return found;
      found = found.next;
    }
    return null;
  }

  #addEntered(run: PendingRun): void {
    const entered = this.#entered.get(run.partition);
    if (entered === undefined) this.#entered.set(run.partition, [run]);
    else entered.push(run);
  }

  #forget(run: PendingRun, at: number): void {
    const key = fingerprintKey(run.words, at);
    const first = this.#records.get(key) ?? null;
    const rest = without(first, run, at);
    if (rest === null) this.#records.delete(key);
    else if (rest !== first) this.#records.set(key, rest);
  }
}

function without(first: PendingRecord | null, run: PendingRun, at: number): PendingRecord | null {
  if (first === null) return null;
  if (first.run === run && first.at === at) return first.next;
  if (first.next === null) return first;
  return { ...first, next: without(first.next, run, at) };
}
