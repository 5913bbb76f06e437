/**
 * What a log owes its users, from what they were told alone: knows no files and no engine.
 *
 * One record at most is expected at each offset. `writtenEnd` must survive a kill, `durableEnd` a
 * power cut; what lies behind may be there or not, but only as a prefix of what was sent. Numbers
 * such as A1 are those of the promises; `checker.test.ts` plants a breach of each.
 */
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import { orderProblems, type FoundLog, type OffsetRange } from './found-log.ts';
import { difference, type FoundRecord, type SentRecord } from './records.ts';

/** How a log came to be opened again. `close`: after a close that succeeded. */
export type Ending = 'close' | 'kill' | 'power';

/** How it came to be opened again when the machine, or its process, began anew after that. */
export function endingAfter(ending: Ending, isPowerCut: boolean): Ending {
  if (isPowerCut) return 'power';
  return ending === 'close' ? 'kill' : ending;
}

interface Entry {
  readonly record: SentRecord;
  level: DurabilityLevel | null;
  /** It may have been dropped: the program was told of a loss, not of which. */
  isUncertain: boolean;
}

/** Where a reader once saw a record. */
export interface Position {
  readonly offset: number;
  readonly epoch: number;
  readonly record: SentRecord;
}

const POSITIONS_MAX = 64;

export class Oracle {
  readonly violations: string[] = [];
  /** Places at which readers saw records, for reads with an epoch in later lives. */
  readonly positions: Position[] = [];
  writtenEnd = 0;
  durableEnd = 0;
  /** Below this somebody was told that it survives a power cut: an answer, or a reader's sight. */
  toldEnd = 0;
  /** The start is at least this: a trim was acknowledged. */
  startMin = 0;
  /** And at most this: a trim was asked for. */
  startMax = 0;
  /** Whether a record may be gone though what is behind it stays: of a queue, because it is settled. */
  maySettle: (offset: number) => boolean = () => false;
  /** Whether records go that later ones of their keys supersede, and tombstones when it is time. */
  isCompacted = false;
  epoch = 0;
  ackCount = 0;
  checkedCount = 0;
  readonly gaps: OffsetRange[] = [];
  readonly #entries = new Map<number, Entry>();
  readonly #offsets = new Map<number, number>();
  #end = 0;

  /** First offset behind everything that was sent and not refused. */
  get end(): number {
    return this.#end;
  }

  /** The record that is expected at an offset, if it is there at all. */
  expected(offset: number): SentRecord | null {
    return this.#entries.get(offset)?.record ?? null;
  }

  /** Where a record is to be; null = it was refused, lost or deleted. */
  offsetOf(id: number): number | null {
    return this.#offsets.get(id) ?? null;
  }

  /** A record was handed over and will get this offset. What was sent for it before is refused. */
  sent(record: SentRecord, offset: number): void {
    if (offset < this.writtenEnd) this.fault('A3', `offset ${offset} is given again`);
    for (let given = offset; given < this.#end; given++) this.#forget(given);
    this.#entries.set(offset, { record, level: null, isUncertain: false });
    this.#offsets.set(record.id, offset);
    this.#end = offset + 1;
  }

  /** The log answered: the record is there, and survives what `level` survives. */
  acked(record: SentRecord, offset: number, level: DurabilityLevel): void {
    this.ackCount++;
    const sentFor = this.#offsets.get(record.id);
    if (sentFor === undefined) {
      this.fault('A1', `record ${record.id} was acknowledged at ${offset} after it was given up`);
      return;
    }
    if (sentFor !== offset) {
      this.fault('A3', `record ${record.id} was sent for ${sentFor}, acknowledged at ${offset}`);
    }
    const entry = this.#entries.get(sentFor);
    if (entry !== undefined) entry.level = level;
    this.writtenUpTo(offset + 1);
    if (level === 'sync') this.told(offset + 1);
  }

  /** The log refused it: it must never appear. */
  refused(record: SentRecord): void {
    const offset = this.#offsets.get(record.id);
    if (offset === undefined) return;
    this.#forget(offset);
    while (this.#end > 0 && !this.#entries.has(this.#end - 1) && this.#end > this.writtenEnd)
      this.#end--;
  }

  /** The log said that some records were refused, and this may be one. */
  uncertain(record: SentRecord): void {
    const entry = this.#entries.get(this.#offsets.get(record.id) ?? -1);
    if (entry !== undefined) entry.isUncertain = true;
  }

  /** The log was closed without an error: all that was not refused is durable. */
  closed(): void {
    for (const [offset, { isUncertain }] of this.#entries) {
      if (!isUncertain) this.told(offset + 1);
    }
  }

  /** Everything below survives a kill. */
  writtenUpTo(offset: number): void {
    this.writtenEnd = Math.max(this.writtenEnd, offset);
  }

  /** Everything below survives a power cut. */
  durableUpTo(offset: number): void {
    this.writtenUpTo(offset);
    this.durableEnd = Math.max(this.durableEnd, offset);
  }

  /** A reader of the running log got a record. */
  seen(
    found: FoundRecord,
    log: { readonly visibleOffset: number; readonly isDurable: boolean },
  ): void {
    const { offset } = found;
    this.#compare(found);
    if (offset >= log.visibleOffset) {
      this.fault('visible', `a reader saw offset ${offset}, visible up to ${log.visibleOffset}`);
    }
    if (log.isDurable) this.told(offset + 1);
    else this.writtenUpTo(offset + 1);
    const record = this.expected(offset);
    if (record === null) return;
    if (this.positions.length === POSITIONS_MAX) this.positions.shift();
    this.positions.push({ offset, epoch: found.epoch, record });
  }

  /** A log was opened after `ending`, and this is what it holds. */
  reopened(ending: Ending, found: FoundLog): void {
    this.#checkBounds(ending, found);
    this.#checkRecords(found);
    if (found.epoch <= this.epoch)
      this.fault('epoch', `epoch ${found.epoch} follows ${this.epoch}`);
    this.#adopt(found);
  }

  /** The same, but nothing follows from it: a look at a copy. */
  compare(ending: Ending, found: FoundLog): void {
    this.#checkBounds(ending, found);
    this.#checkRecords(found);
  }

  /** Offsets that damage took, as reported. */
  lost(gap: OffsetRange): void {
    this.gaps.push(gap);
    for (let offset = gap.firstOffset; offset < gap.nextOffset; offset++) this.#forget(offset);
    this.#end = Math.max(this.#end, gap.nextOffset);
  }

  /** Somebody was told that everything below survives a power cut. */
  told(offset: number): void {
    this.durableUpTo(offset);
    this.toldEnd = Math.max(this.toldEnd, offset);
  }

  fault(promise: string, what: string): void {
    this.violations.push(`${promise}: ${what}`);
  }

  #checkBounds(ending: Ending, found: FoundLog): void {
    const { startOffset, endOffset } = found;
    const endMin = { close: this.durableEnd, kill: this.writtenEnd, power: this.durableEnd }[
      ending
    ];
    if (endOffset < endMin) {
      this.fault('A1', `the log ends at ${endOffset} after ${ending}, promised up to ${endMin}`);
    }
    if (endOffset > Math.max(this.#end, this.startMax)) {
      this.fault('A2', `the log ends at ${endOffset}, only ${this.#end} were sent`);
    }
    if (startOffset < this.startMin) {
      this.fault('start', `the log starts at ${startOffset}, trimmed up to ${this.startMin}`);
    }
    if (startOffset > this.startMax) {
      this.fault('A1', `the log starts at ${startOffset}, nobody trimmed above ${this.startMax}`);
    }
  }

  #checkRecords(found: FoundLog): void {
    const isExplained = (offset: number) =>
      this.isGap(offset, found.endOffset) || this.maySettle(offset);
    for (const problem of orderProblems(found, isExplained)) this.fault('A3', problem);
    this.#checkTombstones(found);
    for (const record of found.records) this.#compare(record);
  }

  /**
   * Whether it is known that no record has this offset any more, or that none need have it: it is superseded
   * by one below `endOffset`, or a tombstone.
   */
  isGap(offset: number, endOffset = this.#end): boolean {
    if (this.gaps.some((gap) => gap.firstOffset <= offset && offset < gap.nextOffset)) return true;
    const record = this.isCompacted ? this.expected(offset) : null;
    if (record?.key === null || record?.key === undefined) return false;
    return record.value === null || this.#lastOf(record.key, endOffset) > offset;
  }

  /** A11: where the last of a key is a tombstone that went, all before it are gone, too. */
  #checkTombstones(found: FoundLog): void {
    if (!this.isCompacted) return;
    const there = new Set(found.records.map(({ offset }) => offset));
    for (const { key, offset } of found.records) {
      if (key === null) continue;
      const last = this.#lastOf(key, found.endOffset);
      if (!there.has(last)) this.fault('A11', `${offset} is there again, deleted at ${last}`);
    }
  }

  /** Where the last record of a key is that was sent for an offset below the end. */
  #lastOf(key: Uint8Array, endOffset: number): number {
    for (let offset = endOffset - 1; offset >= 0; offset--) {
      const other = this.expected(offset)?.key ?? null;
      if (other !== null && Buffer.compare(other, key) === 0) return offset;
    }
    return -1;
  }

  #compare(found: FoundRecord): void {
    this.checkedCount++;
    const entry = this.#entries.get(found.offset);
    if (entry === undefined) {
      this.fault('A2', `offset ${found.offset} holds a record that nobody sent for it`);
      return;
    }
    const problem = difference(entry.record, found);
    if (problem !== null) this.fault('A2', `offset ${found.offset}: ${problem}`);
  }

  /** What was found is what there is: it was synced before it was served, and the rest is gone. */
  #adopt(found: FoundLog): void {
    for (const offset of this.#entries.keys()) {
      if (offset >= found.endOffset || offset < found.startOffset) this.#forget(offset);
    }
    this.#end = found.endOffset;
    this.writtenEnd = found.endOffset;
    this.durableEnd = found.endOffset;
    this.toldEnd = found.endOffset;
    this.startMin = found.startOffset;
    this.startMax = found.startOffset;
    this.epoch = found.epoch;
  }

  #forget(offset: number): void {
    const entry = this.#entries.get(offset);
    if (entry === undefined) return;
    this.#entries.delete(offset);
    this.#offsets.delete(entry.record.id);
  }
}
