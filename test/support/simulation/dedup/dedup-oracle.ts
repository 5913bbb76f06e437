/**
 * What a topic owes those who send ids (A9), from what they were told alone: an id within its window is
 * stored exactly once, nothing is called a duplicate that is not stored, and what was refused left nothing.
 *
 * The engine's time of an append lies between the call and the append time of the stored record. So two
 * records are too close for certain when they are by those two bounds, and neither way round is possible.
 */
import type { DurabilityLevel } from '../../../../src/log/log-options.ts';
import type { Ending } from '../oracle.ts';

/** So much longer than its window a record may count; and its times are whole ms. */
const LONGER = 1 + 1 / 256;
const ROUNDING_MS = 1;

/** Null = until it is settled. */
export type WindowMs = number | null;

/** One record that was sent. */
export interface SentOne {
  readonly number: number;
  /** Null = it equals no other. */
  readonly identity: string | null;
  readonly calledMs: number;
  /** Counts what the program did: an ack that was answered before has a lower one. */
  readonly calledAt: number;
}

/** Where a record is, as somebody was told or found it. */
export interface DedupSpot {
  readonly partition: number;
  readonly offset: number;
}

/** A record that was read. */
export interface FoundOne extends DedupSpot {
  readonly number: number;
  readonly appendMs: number;
}

interface Known extends SentOne {
  status: 'open' | 'stored';
  /** Null = nobody was told. */
  spot: DedupSpot | null;
  /** The time in its batch; null = nobody has read it. */
  appendMs: number | null;
  /** What it must survive: `sync` everything, `os` a kill. */
  level: 'sync' | 'os';
  /** Of queues. */
  ackCalled: boolean;
  /** Null = nobody was told that it is settled. */
  ackAnsweredAt: number | null;
}

/** What somebody was told, who asked for a record that was there before. */
interface Claim extends DedupSpot {
  readonly identity: string;
  readonly level: 'sync' | 'os';
}

export interface FoundTopic {
  readonly records: readonly FoundOne[];
  /** By partition. */
  readonly starts: readonly number[];
  readonly nowMs: number;
}

export class DedupOracle {
  readonly windowMs: WindowMs;
  readonly #fault: (promise: string, what: string) => void;
  /** Those that may be stored, or were until retention took them; by number. */
  readonly #known = new Map<number, Known>();
  readonly #refused = new Set<number>();
  #claims: Claim[] = [];
  #now = 0;

  constructor(name: string, windowMs: WindowMs, fault: (promise: string, what: string) => void) {
    this.windowMs = windowMs;
    this.#fault = (promise, what) => fault(promise, `${name}: ${what}`);
  }

  /** A record is handed over; nothing is known of it yet. */
  sent(number: number, identity: string | null, calledMs: number): SentOne {
    const one: SentOne = { number, identity, calledMs, calledAt: ++this.#now };
    this.#known.set(number, {
      ...one,
      status: 'open',
      spot: null,
      appendMs: null,
      level: 'os',
      ackCalled: false,
      ackAnsweredAt: null,
    });
    return one;
  }

  /** It was appended, and is there now. */
  stored(number: number, spot: DedupSpot, durability: DurabilityLevel): void {
    const known = this.#known.get(number);
    if (known === undefined) return;
    const other = [...this.#known.values()].find(
      (one) => one !== known && one.status === 'stored' && isAt(one.spot, spot),
    );
    if (other !== undefined) {
      this.#fault('A3', `#${number} and #${other.number} were both given ${shown(spot)}`);
    }
    known.status = 'stored';
    known.spot = spot;
    known.level = levelOf(durability);
    this.#checkUnsettled(known.identity);
  }

  /** It was not: an equal one is there. */
  duplicate({ number, identity }: SentOne, spot: DedupSpot, durability: DurabilityLevel): void {
    this.refused(number);
    if (identity === null) this.#fault('A9', `#${number} equals nothing, and was refused`);
    else this.#claims.push({ ...spot, identity, level: levelOf(durability) });
  }

  /** Whoever was told of a duplicate has read the record that is there. */
  confirmed({ identity, calledMs, calledAt }: SentOne, found: FoundOne): void {
    const stored = this.#known.get(found.number);
    const what = `#${found.number} at ${shown(found)}`;
    if (stored?.identity !== identity) {
      this.#fault('A9', `${what} is ${stored?.identity ?? 'nothing'}, and not ${identity}`);
      return;
    }
    stored.status = 'stored';
    stored.spot = found;
    stored.appendMs = found.appendMs;
    if (this.windowMs === null) {
      const wasSettled = (stored.ackAnsweredAt ?? Infinity) < calledAt;
      if (wasSettled) this.#fault('A9', `${what} was settled, and kept ${identity} out`);
      return;
    }
    const ageMs = calledMs - found.appendMs;
    if (ageMs > this.windowMs * LONGER + ROUNDING_MS) {
      this.#fault('A9', `${what} kept ${identity} out at the age of ${ageMs} ms`);
    }
  }

  /** It must never be seen. */
  refused(number: number): void {
    this.#known.delete(number);
    this.#refused.add(number);
  }

  ackCalled(number: number): void {
    const known = this.#known.get(number);
    if (known === undefined) return;
    known.ackCalled = true;
    known.status = 'stored'; // Somebody has it.
  }

  ackAnswered(number: number): void {
    const known = this.#known.get(number);
    if (known !== undefined) known.ackAnsweredAt = ++this.#now;
  }

  /** What retention may not have taken is there. */
  observe(starts: readonly number[], nowMs: number): void {
    for (const one of this.#known.values()) {
      const { status, spot, identity } = one;
      if (status !== 'stored' || spot === null || identity === null) continue;
      if (spot.offset >= (starts[spot.partition] ?? 0) || !this.#mustBeKept(one, nowMs)) continue;
      this.#fault(
        'A9',
        `${nameOf(one)} is in its window, and was let go: ${nowMs - one.calledMs} ms, from ${starts.join()}, ${one.level}`,
      );
      this.#known.delete(one.number);
    }
  }

  /** How many of an identity count now, for certain; and how many at most. Of what was read. */
  counting(
    identity: string,
    { calledMs, nowMs }: { readonly calledMs: number; readonly nowMs: number },
  ): { readonly min: number; readonly max: number; readonly known: number } {
    const { windowMs } = this;
    let min = 0;
    let max = 0;
    let known = 0;
    for (const one of this.#known.values()) {
      if (one.identity !== identity) continue;
      const { appendMs } = one;
      known++;
      if (windowMs === null) {
        if (one.status === 'stored' && !one.ackCalled) min++;
        if (one.ackAnsweredAt === null) max++;
        continue;
      }
      if (appendMs !== null && nowMs - appendMs < windowMs) min++;
      if (appendMs === null || calledMs - appendMs <= windowMs * LONGER + ROUNDING_MS) max++;
    }
    return { min, max, known };
  }

  /** The store was opened again: what it holds is what counts from now on. @returns how many it has kept */
  reopened({ records, starts, nowMs }: FoundTopic, ending: Ending, mayLose: boolean): number {
    const found = new Map<number, FoundOne>();
    for (const record of records) this.#find(record, found);
    const how = { starts, ending, mayLose, nowMs };
    for (const claim of this.#claims) this.#checkClaim(claim, found, how);
    this.#claims = [];
    for (const known of this.#known.values()) {
      if (found.has(known.number)) continue;
      const { spot } = known;
      const isTrimmed = spot !== null && spot.offset < (starts[spot.partition] ?? 0);
      if (known.status === 'stored' && isTrimmed) continue; // `observe` looks whether it may be.
      if (this.#mayBeGone(known, nowMs)) {
        this.#known.delete(known.number);
        continue;
      }
      const isLost = known.level === 'os' && (ending === 'power' || mayLose);
      const isTaken = spot === null && known.ackCalled;
      if (known.status === 'stored' && !isLost && !isTaken) {
        this.#fault('A1', `${nameOf(known)} was answered, and is gone`);
      }
      this.#known.delete(known.number);
    }
    this.observe(starts, nowMs);
    this.#checkPairs();
    return found.size;
  }

  #find(record: FoundOne, found: Map<number, FoundOne>): void {
    const { number, appendMs } = record;
    const other = found.get(number);
    if (other !== undefined) {
      this.#fault('A9', `#${number} is at ${shown(other)} and at ${shown(record)}`);
    }
    found.set(number, record);
    if (this.#refused.has(number)) this.#fault('A4', `#${number}, refused, is there`);
    const known = this.#known.get(number);
    if (known === undefined) {
      if (!this.#refused.has(number)) this.#fault('A2', `#${number} was lost, or never sent`);
      return;
    }
    if (known.spot !== null && !isAt(known.spot, record)) {
      this.#fault('A3', `${nameOf(known)} is found at ${shown(record)}`);
    }
    known.status = 'stored';
    known.spot = record;
    known.appendMs = appendMs;
    known.level = 'sync'; // What was found at an opening stays.
  }

  #checkClaim(
    { identity, level, partition, offset }: Claim,
    found: ReadonlyMap<number, FoundOne>,
    how: Pick<FoundTopic, 'starts' | 'nowMs'> & {
      readonly ending: Ending;
      readonly mayLose: boolean;
    },
  ): void {
    if (offset < (how.starts[partition] ?? 0)) return;
    const record = [...found.values()].find((one) => isAt(one, { partition, offset }));
    if (record !== undefined && this.#known.get(record.number)?.identity === identity) return;
    if (level === 'os' && (how.ending === 'power' || how.mayLose)) return;
    const isGone = [...this.#known.values()].some(
      (one) =>
        one.identity === identity &&
        (one.spot === null || isAt(one.spot, { partition, offset })) &&
        this.#mayBeGone(one, how.nowMs),
    );
    if (record === undefined && isGone) return;
    const what = record === undefined ? 'nothing' : `#${record.number}`;
    this.#fault('A9', `${identity} was said to be at ${partition}/${offset}, where ${what} is`);
  }

  /** Of a queue: it is settled, or may be, and its id is not in its window any more. */
  #mayBeGone(known: Known, nowMs: number): boolean {
    return known.status === 'stored' && known.ackCalled && !this.#mustBeKept(known, nowMs);
  }

  #mustBeKept({ calledMs, ackCalled }: Known, nowMs: number): boolean {
    return this.windowMs === null ? !ackCalled : nowMs - calledMs < this.windowMs;
  }

  /** No two of an identity are closer to each other than the window is wide. */
  #checkPairs(): void {
    const byIdentity = new Map<string, Known[]>();
    for (const one of this.#known.values()) {
      if (one.identity === null || one.status !== 'stored') continue;
      const others = byIdentity.get(one.identity) ?? [];
      for (const other of others) this.#checkPair(one, other);
      byIdentity.set(one.identity, [...others, one]);
    }
    for (const identity of byIdentity.keys()) this.#checkUnsettled(identity);
  }

  #checkPair(one: Known, other: Known): void {
    const { windowMs } = this;
    if (windowMs === null || one.appendMs === null || other.appendMs === null) return;
    const apartMs = Math.max(one.appendMs - other.calledMs, other.appendMs - one.calledMs);
    if (apartMs >= windowMs) return;
    const both = `${nameOf(one)} and ${nameOf(other)}`;
    this.#fault('A9', `${both} are the same, ${apartMs} ms apart`);
  }

  /** Of all that equal each other in a queue one at most has not been settled by anybody. */
  #checkUnsettled(identity: string | null): void {
    if (this.windowMs !== null || identity === null) return;
    const all = [...this.#known.values()].filter(
      (one) => one.identity === identity && one.status === 'stored' && !one.ackCalled,
    );
    if (all.length > 1) this.#fault('A9', `${all.map(nameOf).join(' and ')} are not settled`);
  }
}

function levelOf(durability: DurabilityLevel): 'sync' | 'os' {
  return durability === 'sync' ? 'sync' : 'os';
}

function isAt(one: DedupSpot | null, { partition, offset }: DedupSpot): boolean {
  return one?.partition === partition && one.offset === offset;
}

function shown({ partition, offset }: DedupSpot): string {
  return `${partition}/${offset}`;
}

function nameOf({ number, identity, spot }: Known): string {
  return `#${number} (${identity}) at ${spot === null ? '?' : shown(spot)}`;
}
