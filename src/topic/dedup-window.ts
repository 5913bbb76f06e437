/** Since which offsets the records of a topic count, partition by partition. */
import type { Clock } from '../core/clock.ts';
import { DedupSamples } from './dedup-samples.ts';
import { UNTIL_SETTLED, type DedupWindow } from './dedup-options.ts';
import type { SettlingOf } from './topic-home.ts';

/** Two clocks may be so far apart that are not set. */
const BEHIND_MS_MAX = 1000;

/**
 * The time that windows go by: that of the wall when it began, and from then on the monotonic one, for a
 * clock that is set must not make anybody forget.
 */
export class DedupTime {
  readonly #clock: Clock;
  readonly #wallMs: number;
  readonly #monotonicMs: number;
  /** Whether the wall clock was seen behind: what was appended then says a time that is too early. */
  wasSetBack = false;

  /** @param latestMs  of all appends before: it begins no earlier */
  constructor(clock: Clock, latestMs: number) {
    this.#clock = clock;
    this.#wallMs = Math.max(clock.now(), latestMs);
    this.#monotonicMs = clock.monotonic();
  }

  now(): number {
    const nowMs = this.#wallMs + this.#clock.monotonic() - this.#monotonicMs;
    if (this.#clock.now() < nowMs - BEHIND_MS_MAX) this.wasSetBack = true;
    return nowMs;
  }
}

export class DedupWindows {
  readonly #window: DedupWindow;
  readonly #settlingOf: SettlingOf;
  /** By partition, when the window is one of time. */
  readonly #samples: DedupSamples[] = [];

  constructor(window: DedupWindow, settlingOf: SettlingOf) {
    this.#window = window;
    this.#settlingOf = settlingOf;
  }

  /** Those that have begun. */
  get partitionCount(): number {
    return this.#samples.length;
  }

  /** The next partition begins. */
  begin(offset: number): void {
    const windowMs = this.#window === UNTIL_SETTLED ? Infinity : this.#window;
    this.#samples.push(new DedupSamples(windowMs, offset));
  }

  /** Records below `endOffset` that were not noted before were appended at that time. */
  note(partition: number, endOffset: number, timeMs: number): void {
    if (this.#window !== UNTIL_SETTLED) this.#samples[partition]?.note(endOffset, timeMs);
  }

  /** Whether a stored record keeps others out. */
  has(partition: number, offset: number, nowMs: number): boolean {
    if (this.#window !== UNTIL_SETTLED) return offset >= this.start(partition, nowMs);
    return this.#settlingOf(partition)?.isSettled(offset) !== true;
  }

  /** Whether a record that does not count now may do so later: its queue may have it back. */
  mayCountAgain(partition: number, offset: number): boolean {
    if (this.#window !== UNTIL_SETTLED) return false;
    return this.#settlingOf(partition)?.mayComeBack(offset) === true;
  }

  /** Which records of a partition will never count again, whatever `start` says; null = none. */
  overIn(partition: number): ((offset: number) => boolean) | null {
    const settling = this.#window === UNTIL_SETTLED ? this.#settlingOf(partition) : null;
    if (settling === null) return null;
    return (offset) => settling.isSettled(offset) && !settling.mayComeBack(offset);
  }

  /** Whether a record of which nobody has seen anything yet keeps others out, by when it was appended. */
  covers(timeMs: number, nowMs: number): boolean {
    return this.#window === UNTIL_SETTLED || timeMs >= nowMs - this.#window;
  }

  /** What must be kept begins there; infinite = nothing must, whatever else was appended behind the last. */
  keptFrom(partition: number, nowMs: number): number {
    const samples = this.#samples[partition];
    const isOver = this.#window !== UNTIL_SETTLED && samples?.isOver(nowMs) === true;
    return isOver ? Infinity : this.start(partition, nowMs);
  }

  /** What is below does not count. O(1); for records that are settled O(those that are not). */
  start(partition: number, nowMs: number): number {
    if (this.#window !== UNTIL_SETTLED) return this.#samples[partition]?.startAt(nowMs) ?? 0;
    return this.#settlingOf(partition)?.firstOffset() ?? 0;
  }
}
