/**
 * Plain objects that behave as a store with transactions must. A place is a log, by topic and partition;
 * each thing that a transaction touches is one map, which its commit changes in one step.
 */
import { present } from '../../../src/core/assert.ts';
import type { Answer, IdKind, ModelCall, ModelLease, ModelTransaction, Spot } from './wanted.ts';

/** Where every transaction that is committed leaves one record: it tells which came first. */
export const MARKS = 'orders 0';
/** What is published, in its source. */
export const PUBLISHED = 'exchange:events 0';

export class TransactionModel {
  readonly logs = new Map<string, string[]>();
  /** By topic and id: where the one is that is stored. */
  readonly #stored = new Map<string, Spot & { readonly id: string }>();
  /** Next number that the producer has not stored. */
  copied = 0;
  /** By number: where the producer has stored it. */
  readonly produced = new Map<number, Spot>();
  /** In queues. */
  readonly acked = new Set<string>();
  readonly leases = new Map<string, ModelLease>();
  /** Had a lease when a process died. */
  readonly crashed = new Set<string>();
  readonly positions = new Map<number, number>();
  /** The member is another one each time when the group was joined again; so is the producer. */
  member = 0;
  producer = 0;
  /** Counts the topics that had the name. */
  auditCount = 0;
  /** How many records of it a power cut leaves, at least: plain ones are not synced. */
  syncedAuditCount = 0;
  nowMs = 0;
  /** Those that collect, oldest first. */
  open: ModelTransaction[] = [];
  #count = 0;
  /** Of all records, also such as never came to be. */
  readonly #ids: string[] = [];

  next(): number {
    return ++this.#count;
  }

  nextText(what: string): string {
    return `${what} ${this.next()}`;
  }

  /** For records that go to a topic. */
  idsFor(kind: IdKind, topic: string, total: number): readonly string[] | null {
    if (kind === 'none') return null;
    const stored = [...this.#stored.values()].filter(({ place }) => topicOf(place) === topic);
    if (kind === 'stored' && stored.length >= total)
      return stored.slice(-total).map(({ id }) => id);
    const missing = kind === 'again' ? total - this.#ids.length : total;
    for (let left = missing; left > 0; left--) this.#ids.push(this.nextText('id'));
    return this.#ids.slice(-total);
  }

  log(place: string): string[] {
    const known = this.logs.get(place);
    if (known !== undefined) return known;
    const made: string[] = [];
    this.logs.set(place, made);
    return made;
  }

  get auditPlace(): string {
    return `audit@${this.auditCount} 0`;
  }

  /** Records of a queue that nobody has acked, by place and offset. */
  unsettled(queue: string): string[] {
    const place = `${queue} 0`;
    const all = this.log(place).map((_, offset) => `${place}: ${offset}`);
    return all.filter((spot) => !this.acked.has(spot));
  }

  ready(queue: string): string[] {
    return this.unsettled(queue).filter((spot) => !this.leases.has(spot));
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const [spot, lease] of this.leases) {
      if (lease.untilMs > this.nowMs) continue;
      lease.isOver = true;
      this.leases.delete(spot);
    }
  }

  settle(spot: string, isAcked: boolean): void {
    const lease = this.leases.get(spot);
    if (lease !== undefined) lease.isOver = true;
    this.leases.delete(spot);
    this.crashed.delete(spot);
    if (isAcked) this.acked.add(spot);
  }

  /** The process is another one: leases are over, members gone, transactions forgotten. */
  restart(hasCrashed: boolean): void {
    for (const [spot, lease] of this.leases) {
      lease.isOver = true;
      if (hasCrashed) this.crashed.add(spot);
    }
    this.leases.clear();
    this.member++;
    this.producer++;
    this.open = [];
    this.nowMs = 0;
  }

  /** The power was cut: what the topic was found with is there for good. */
  foundAudit(count: number): void {
    this.log(this.auditPlace).length = count;
    this.syncedAuditCount = count;
  }

  /** Codes of the errors that it may fail with, as things are now; none = it must succeed. */
  reasons(wanted: ModelTransaction): readonly string[] {
    const { calls, leases, members, producers, deadlineMs } = wanted;
    if (deadlineMs <= this.nowMs) return ['ERR_VARVE_TRANSACTION_ENDED'];
    const codes: string[] = [];
    if ([...leases].some(({ isOver }) => isOver)) codes.push('ERR_VARVE_LEASE_LOST');
    const isFenced =
      [...members].some((member) => member !== this.member) ||
      [...producers].some((producer) => producer !== this.producer);
    if (isFenced) codes.push('ERR_VARVE_FENCED');
    if (calls.some(({ place }) => this.#isGone(place))) codes.push('ERR_VARVE_CLOSED');
    if (this.hasGap(wanted)) codes.push('ERR_VARVE_SEQUENCE_GAP');
    return codes;
  }

  /** Whether another one commits a position of the member there. */
  isTaken(partition: number, wanted: ModelTransaction): boolean {
    return this.open.some(
      (one) =>
        one !== wanted && one.deadlineMs > this.nowMs && one.claims.get(partition) === this.member,
    );
  }

  /** Whether its producer left out what is not stored. */
  hasGap({ calls }: ModelTransaction): boolean {
    let next = this.copied;
    for (const { sequence, values } of calls) {
      if (sequence === null) continue;
      if (sequence > next) return true;
      next = Math.max(next, sequence + values.length);
    }
    return false;
  }

  /** It is committed. @returns what each call is answered, and where its records are */
  commit({ calls, acks, positions }: ModelTransaction) {
    const spots: Spot[] = [];
    const answers = calls.map((call) => this.#append(call, spots));
    for (const spot of acks) this.settle(spot, true);
    for (const [partition, offset] of positions) this.positions.set(partition, offset);
    return { answers, spots };
  }

  #append({ place, values, ids, sequence }: ModelCall, spots: Spot[]): Answer {
    const log = this.log(place);
    let baseOffset: number | null = null;
    const duplicates: string[] = [];
    for (const [index, value] of values.entries()) {
      const id = ids === null ? null : present(ids[index], 'each has one');
      const name = `${topicOf(place)} ${id}`;
      const stored = id === null ? undefined : this.#stored.get(name);
      if (stored !== undefined) duplicates.push(`${index}: ${stored.place}, ${stored.offset}`);
      else if (sequence !== null && sequence + index < this.copied) duplicates.push('sent before');
      else {
        const spot = { place, offset: log.push(value) - 1 };
        baseOffset ??= spot.offset;
        spots.push(spot);
        if (id !== null) this.#stored.set(name, { id, ...spot });
        if (sequence !== null) {
          this.copied = sequence + index + 1;
          this.produced.set(sequence + index, spot);
        }
      }
    }
    if (place === this.auditPlace) this.syncedAuditCount = log.length;
    return { baseOffset, recordCount: values.length - duplicates.length, duplicates };
  }

  #isGone(place: string): boolean {
    return place.startsWith('audit@') && place !== this.auditPlace;
  }
}

function topicOf(place: string): string | undefined {
  return place.split(' ')[0];
}
