/**
 * What becomes of records with ids that were appended: an id enters the table when its record is visible,
 * and is free again when it was refused.
 */
import { present } from '../core/assert.ts';
import { FailedError, IoError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import { JoinedFlight, type JoinedPlace } from './dedup-joined.ts';
import { DedupPending, enteredRun, PendingRun } from './dedup-pending.ts';
import type { RunParts } from './dedup-sorting.ts';
import type { PartitionSet } from './partition-set.ts';

/** Records of a run that are there for all to see: the first so many. */
export type OnEntered = (run: PendingRun, count: number) => void;

/** A run that was appended, whose log stays open until its fate is known. */
interface Flight {
  readonly run: PendingRun;
  readonly log: Log<Uint8Array>;
  /** Of the log, which tells what became of the run while it is being closed, too. */
  readonly writer: ReturnType<Log<Uint8Array>['forStore']>;
  readonly end: () => void;
}

export class DedupFlights {
  readonly pending = new DedupPending();
  readonly #partitions: PartitionSet;
  readonly #now: () => number;
  readonly #onEntered: OnEntered;
  /** The last one. */
  #joined: JoinedFlight | null = null;

  /** @param watch.now  of windows */
  constructor(
    partitions: PartitionSet,
    { now, onEntered }: { readonly now: () => number; readonly onEntered: OnEntered },
  ) {
    this.#partitions = partitions;
    this.#now = now;
    this.#onEntered = onEntered;
  }

  /** A run that stands in its log since this turn. */
  appended(log: Log<Uint8Array>, run: PendingRun): void {
    run.timeMs = this.#now();
    this.pending.add(run);
    this.#follow(this.#begin(log, run));
  }

  /**
   * A record that stands in its log since this turn, and in the table: it joins those of the last
   * millisecond, of which nobody was answered. Its caller tells what becomes of it, at the level of the topic.
   */
  joined(place: JoinedPlace): JoinedFlight {
    const { partition, offset } = place;
    const nowMs = this.#now();
    const last = this.#joined;
    if (last?.takes(place, nowMs) === true) {
      last.run.count++;
      last.run.timeMs = nowMs; // Those before are forgotten as much later, and none early.
      return last;
    }
    const run = enteredRun(partition, offset, 1);
    run.timeMs = nowMs;
    this.pending.add(run);
    const flight = this.#begin(place.log, run);
    this.#joined = new JoinedFlight(run, place, (completeCount, failure) => {
      if (failure !== null) this.#failedAfter(flight, completeCount, failure);
      else if (completeCount > 0) this.#whenVisible(flight, completeCount);
      else {
        flight.end();
        this.dropped(run);
      }
    });
    return this.#joined;
  }

  /**
   * Of a joined run the first so many have their level, and nobody knows what became of the others. What
   * cannot be seen stays in doubt with them, lest another partition takes it for refused and new.
   */
  #failedAfter({ run, writer, end }: Flight, completeCount: number, failure: Error): void {
    end();
    const isVisible = writer.marks.visibleOffset >= run.baseOffset + completeCount;
    const enteredCount = isVisible ? completeCount : 0;
    if (enteredCount > 0) this.#onEntered(run, enteredCount);
    run.baseOffset += enteredCount;
    run.count -= enteredCount;
    this.inDoubt(run, failure);
  }

  /** A run that a commit will bring, or not: one of the next three is called then. */
  held(parts: RunParts): PendingRun {
    const run = new PendingRun(parts, -1);
    this.pending.add(run);
    return run;
  }

  /** The journal has it; somebody keeps its log open. */
  committed(run: PendingRun, baseOffset: number): void {
    run.baseOffset = baseOffset;
    run.timeMs = this.#now();
    run.isCommitted = true;
    const { opened } = this.#partitions.at(run.partition);
    const log = present(opened, 'open until its commit has ended');
    this.#whenVisible(this.#begin(log, run), run.count);
  }

  /** Nothing of it happened: its ids are free. */
  dropped(run: PendingRun): void {
    this.pending.remove(run);
    run.decided();
  }

  /** It may be there or not, and the next opening tells: until then nobody may append it again. */
  inDoubt(run: PendingRun, error: Error): void {
    run.failure = error;
    run.decided();
  }

  #begin(log: Log<Uint8Array>, run: PendingRun): Flight {
    const writer = log.forStore();
    return { run, log, writer, end: this.#partitions.at(run.partition).hold() };
  }

  #follow(flight: Flight): void {
    const { run, writer, end } = flight;
    const { baseOffset, count } = run;
    // Of a log that shows what is written that is enough.
    const asked = this.#partitions.settings.durability === 'sync' ? 'sync' : 'os';
    writer.appender.submit(asked, {
      baseOffset,
      nextOffset: baseOffset + count,
      asked,
      complete: () => this.#whenVisible(flight, count),
      fail: (error: Error) => {
        const written = error instanceof IoError ? (error.details.appendedCount ?? 0) : 0;
        if (written > 0 && !(error instanceof FailedError)) return this.#keepFirst(flight, written);
        end();
        if (error instanceof FailedError) this.inDoubt(run, error);
        else this.dropped(run);
      },
    });
  }

  /** The first of a run were written when the disk was full: those are there. */
  #keepFirst(flight: Flight, written: number): void {
    const { run, log } = flight;
    this.pending.remove(run, written);
    log.sync().catch(() => undefined); // `#whenVisible` looks at what failed.
    this.#whenVisible(flight, written);
  }

  #whenVisible(flight: Flight, count: number): void {
    const { run, log, writer, end } = flight;
    const { appender, marks } = writer;
    const endOffset = run.baseOffset + count;
    const look = (): void => {
      const isVisible = marks.visibleOffset >= endOffset;
      const isOver = appender.failure !== null || log.life.closing !== null;
      if (!isVisible && !isOver) return marks.onVisible(look);
      end();
      if (isVisible) this.#enter(run, count);
      // What the journal has stays for those who ask, though nobody sees it before the next opening.
      else if (run.isCommitted) run.decided();
      else this.inDoubt(run, appender.failure ?? this.#partitions.closedError());
    };
    look();
  }

  /** They are there, for all to see: their ids count. */
  #enter(run: PendingRun, count: number): void {
    this.#onEntered(run, count);
    this.pending.remove(run);
    run.decided();
  }
}
