/**
 * What transactions owe (A4), from what callers were told alone: each deed is whole or absent, whole if it
 * was answered, absent if it was refused, and nothing of it is there twice. Of a topic that was deleted
 * nothing is expected: the rest stands.
 */
import { Deed, isBehind, type BroughtRecord, type HandledRange } from './deeds.ts';

export type Ending = 'close' | 'kill' | 'power';

/** What a store holds that was just opened. */
export interface FoundDeeds {
  readonly records: ReadonlyMap<number, { readonly place: string; readonly offset: number }>;
  /** Of queues, by number: not acked. */
  readonly unsettled: ReadonlySet<number>;
  /** By partition: which deed committed the position, and what it is. */
  readonly positions: ReadonlyMap<number, { readonly number: number; readonly offset: number }>;
  /** How many copies there are of what was published, by number. */
  readonly copies: ReadonlyMap<number, number>;
}

/** Where a fanout exchange has what is published to it. */
export const SOURCE_PLACE = 'exchange:events/0';

export class DeedOracle {
  readonly #fault: (promise: string, what: string) => void;
  /** Of this life, and not yet looked for. */
  #open: Deed[] = [];
  /** Those that are there, of all lives. */
  readonly #whole: Deed[] = [];
  /** Of which nothing is expected: their topics were deleted, or may have been. */
  readonly #gone = new Set<string>();
  /** Records of queues that consumers got. */
  readonly #delivered = new Set<number>();
  /** Who acked a record, for ever. */
  readonly #ackedBy = new Map<number, Deed>();
  /** By record. */
  readonly #deedOf = new Map<number, Deed>();
  #now = 0;
  #count = 0;

  constructor(fault: (promise: string, what: string) => void) {
    this.#fault = fault;
  }

  begin(isLossy = false): Deed {
    const deed = new Deed(++this.#count, ++this.#now, isLossy);
    this.#open.push(deed);
    return deed;
  }

  /** It has one more, from now on. */
  brings(deed: Deed, id: number, place: string): BroughtRecord {
    const record: BroughtRecord = { id, place, offset: null };
    deed.records.push(record);
    this.#deedOf.set(id, deed);
    return record;
  }

  answered(deed: Deed): void {
    deed.status = 'answered';
    deed.answeredAt = ++this.#now;
  }

  refused(deed: Deed): void {
    deed.status = 'refused';
  }

  /** A topic is being deleted. */
  isGoing(topic: string): void {
    this.#gone.add(`${topic}/0`);
  }

  isGone(place: string): boolean {
    return this.#gone.has(place);
  }

  deedOf(id: number): Deed | null {
    return this.#deedOf.get(id) ?? null;
  }

  /** A consumer got it. */
  delivered(id: number): void {
    const deed = this.#deedOf.get(id);
    if (deed === undefined) this.#fault('A2', `nobody sent #${id}`);
    else if (deed.status === 'refused')
      this.#fault('A4', `#${id} of ${deed.name}, refused, is there`);
    this.#delivered.add(id);
    const acking = [...this.#open, ...this.#whole].find(
      (one) => one.acks.has(id) && one.status === 'answered',
    );
    if (acking !== undefined) this.#fault('A7', `#${id} came again, ${acking.name} acked it`);
  }

  /** A store was opened again. @returns what is there of the life before */
  reopened(found: FoundDeeds, ending: Ending): readonly Deed[] {
    const before = this.#open;
    this.#open = [];
    const left: Deed[] = [];
    for (const deed of before) {
      if (this.#recordsOf(deed).length === 0) left.push(deed);
      else this.#resolve(deed, this.#partsThere(deed, found), ending);
    }
    // Of several that wanted to ack a record it is that one which was told so, or which acks the most.
    left.sort((one, other) => other.acks.size - one.acks.size);
    for (const status of ['answered', 'open', 'refused']) {
      for (const deed of left) if (deed.status === status) this.#resolveBare(deed, found, ending);
    }
    for (const [id, { place }] of found.records) {
      if (!this.#deedOf.has(id)) this.#fault('A2', `nobody sent #${id} in ${place}`);
    }
    this.#checkAcks(found);
    this.#checkRecords(found);
    this.#checkPositions(found);
    this.#checkRanges();
    this.#checkCopies(found);
    return before.filter((deed) => this.#whole.includes(deed));
  }

  /** Those that are expected to be there if the deed is. */
  #recordsOf({ records }: Deed): readonly BroughtRecord[] {
    return records.filter(({ place }) => !this.#gone.has(place));
  }

  #partsThere(deed: Deed, { records }: FoundDeeds): readonly [there: number, all: number] {
    const expected = this.#recordsOf(deed);
    // What a consumer got and acked may have been trimmed.
    const there = expected.filter(({ id }) => records.has(id) || this.#delivered.has(id));
    return [there.length, expected.length];
  }

  #resolve(deed: Deed, [there, all]: readonly [number, number], ending: Ending): void {
    if (there > 0 && there < all) this.#fault('A4', `${there} of ${all} parts of ${deed.name}`);
    const isLost = deed.isLossy && ending === 'power';
    const { status } = deed;
    if (there === 0 && status === 'answered' && !isLost) this.#fault('A1', `${deed.name} is gone`);
    if (there > 0 && status === 'refused') this.#fault('A4', `${deed.name}, refused, is there`);
    if (there > 0) this.#isThere(deed);
  }

  #isThere(deed: Deed): void {
    this.#whole.push(deed);
    for (const id of deed.acks) {
      const other = this.#ackedBy.get(id);
      if (other !== undefined) this.#fault('A4', `#${id} acked by ${other.name} and ${deed.name}`);
      this.#ackedBy.set(id, deed);
    }
  }

  /** Without a record that would tell. */
  #resolveBare(deed: Deed, { unsettled, positions }: FoundDeeds, ending: Ending): void {
    const { acks, ranges, number } = deed;
    if (acks.size > 0) {
      const settled = [...acks].filter((id) => !unsettled.has(id) && !this.#ackedBy.has(id));
      const isOther = [...acks].some((id) => this.#ackedBy.has(id));
      // Another one has acked one of them: this one cannot be there. Nor is one that nobody was told of,
      // when there is a part of it: another one must be found that has that part, or `checkAcks` finds none.
      const isPart = deed.status === 'open' && settled.length < acks.size;
      this.#resolve(deed, isOther || isPart ? [0, acks.size] : [settled.length, acks.size], ending);
      return;
    }
    if (ranges.length === 0) return;
    const isNamed = [...positions.values()].some((found) => found.number === number);
    // One that is not named may be there, with others behind it.
    if (isNamed || deed.status === 'answered') this.#resolve(deed, [1, 1], ending);
  }

  #checkAcks({ records, unsettled }: FoundDeeds): void {
    for (const [id, deed] of this.#ackedBy) {
      if (unsettled.has(id)) this.#fault('A4', `#${id} is not acked, and ${deed.name} is there`);
    }
    for (const [id, { place }] of records) {
      if (!isOfQueue(place) || unsettled.has(id) || this.#ackedBy.has(id)) continue;
      this.#fault('A4', `#${id} is acked, and nothing is there that acks it`);
    }
  }

  /** What is there stays, where it is. */
  #checkRecords({ records }: FoundDeeds): void {
    for (const deed of this.#whole) {
      for (const record of this.#recordsOf(deed)) {
        const { id, place, offset } = record;
        const found = records.get(id);
        if (found === undefined) {
          if (!this.#ackedBy.has(id)) this.#fault('A1', `#${id} of ${deed.name} is gone`);
          continue;
        }
        if (found.place !== place)
          this.#fault('A4', `#${id} is in ${found.place}, not in ${place}`);
        if (offset !== null && offset !== found.offset) {
          this.#fault('A3', `#${id} of ${place} is at ${found.offset}, told was ${offset}`);
        }
        record.offset = found.offset;
      }
      deed.answeredAt ??= this.#now;
    }
    this.#now++;
  }

  /** Each is of the last one that is there. */
  #checkPositions({ positions }: FoundDeeds): void {
    const partitions = new Set(
      this.#whole.flatMap(({ ranges }) => ranges.map((at) => at.partition)),
    );
    for (const partition of new Set([...partitions, ...positions.keys()])) {
      const all = this.#whole.filter(({ ranges }) =>
        ranges.some((at) => at.partition === partition),
      );
      const found = positions.get(partition);
      const last = all.find(({ number }) => number === found?.number);
      const range = last === undefined ? undefined : furthest(last, partition);
      if (found === undefined) this.#fault('A4', `no position in ${partition}: ${all[0]?.name}`);
      else if (last === undefined) this.#fault('A4', `position of deed ${found.number}, not there`);
      else if (range?.to !== found.offset) this.#fault('A4', `${last.name}: at ${found.offset}`);
      const later = last === undefined ? undefined : all.find((deed) => isBehind(deed, last));
      if (later !== undefined)
        this.#fault('A4', `position of ${last?.name}, behind: ${later.name}`);
    }
  }

  /** What was handled, and committed as handled, is handled once. */
  #checkRanges(): void {
    const all = this.#whole.flatMap((deed) => deed.ranges.map((range) => ({ ...range, deed })));
    all.sort((one, other) => one.partition - other.partition || one.from - other.from);
    for (const [at, { partition, from, deed }] of all.entries()) {
      const before = all[at - 1];
      if (before?.partition !== partition || before.to <= from) continue;
      this.#fault('A4', `handled twice: ${before.deed.name}, ${deed.name}`);
    }
  }

  #checkCopies({ copies, records }: FoundDeeds): void {
    for (const [id, { place }] of records) {
      const count = copies.get(id) ?? 0;
      if (place === SOURCE_PLACE && count !== 1) this.#fault('A10', `${count} copies of #${id}`);
    }
    for (const id of copies.keys()) {
      if (records.get(id)?.place !== SOURCE_PLACE)
        this.#fault('A10', `a copy of #${id}, no record`);
    }
  }
}

/** Of the batches of one deed. */
function furthest({ ranges }: Deed, partition: number): HandledRange | undefined {
  const own = ranges.filter((range) => range.partition === partition);
  return own.toSorted((one, other) => one.to - other.to).at(-1);
}

/** Queues by their names. */
export const QUEUES = ['inbox', 'outbox'] as const;

function isOfQueue(place: string): boolean {
  return QUEUES.some((name) => place.startsWith(`${name}/`));
}
