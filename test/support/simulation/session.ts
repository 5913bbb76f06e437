/**
 * One open handle and the program that uses it: random operations, many in flight, each answer
 * compared with what the oracle knows.
 *
 * After the crash nothing counts any more: the program's last turns have not happened.
 */
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
  IoError,
  LockedError,
  OffsetOutOfRangeError,
  WrongOffsetError,
} from '../../../src/core/errors.ts';
import { randomBelow } from '../../../src/core/random.ts';
import type { Log } from '../../../src/log/log.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../../src/log/log-options.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { chance, pick } from './plan.ts';
import { inputFor, type SentRecord } from './records.ts';
import type { World } from './world.ts';

export class Session {
  readonly world: World;
  readonly log: Log<Uint8Array>;
  readonly #fileSystem: FaultyFileSystem;
  readonly #pending = new Set<Promise<void>>();
  /** Sent by `appendNoWait`, and not yet asked about. */
  #unanswered: { readonly record: SentRecord; readonly offset: number }[] = [];
  #hadFailed = false;
  #isDiskLimited = false;
  #wasDiskLimited = false;

  constructor(world: World, log: Log<Uint8Array>) {
    this.world = world;
    this.log = log;
    this.#fileSystem = world.fileSystem;
  }

  /** Whether the machine is gone: what the program still does has not happened. */
  get isOver(): boolean {
    return this.#fileSystem.isCrashed;
  }

  /** Answers that are still awaited. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Waits until every call was answered. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Has the program not wait for `work`, but note its end. */
  track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Looks at the handle between two operations. */
  observe(): void {
    if (!this.isOver) this.#observe();
  }

  /** The last look, after a crash too: what the handle stated before it must be true. */
  observeAtEnd(): void {
    this.#observe();
  }

  #observe(): void {
    const { log, world } = this;
    const { oracle, plan } = world;
    const { startOffset, visibleOffset, syncedOffset, endOffset } = log;
    if (log.stats().state === 'failed' && !this.#hadFailed) {
      this.#hadFailed = true;
      world.tally.add('failedWriters');
    }
    oracle.durableUpTo(syncedOffset);
    if (plan.durability === 'sync' && visibleOffset > syncedOffset) {
      oracle.fault('visible', `visible up to ${visibleOffset}, synced up to ${syncedOffset}`);
    }
    if (visibleOffset > endOffset) oracle.fault('visible', `${visibleOffset}, the end is ${endOffset}`);
    if (plan.retentionBytes !== null || plan.retentionMs !== null) {
      oracle.startMax = Math.max(oracle.startMax, startOffset);
    } else if (startOffset > oracle.startMax) {
      oracle.fault('A1', `the start moved to ${startOffset} by itself`);
    }
  }

  append(): void {
    const { world, log } = this;
    const { random, oracle } = world;
    const record = world.nextRecord();
    const input = inputFor(record);
    const durability = this.#level();
    const isWrong = chance(random, 0.05);
    const expects = isWrong || chance(random, 0.1);
    const offset = log.endOffset;
    const answer = log.append(input, {
      ...(durability === null ? {} : { durability }),
      ...(expects ? { expectedOffset: isWrong ? offset + 1 + randomBelow(random, 3) : offset } : {}),
    });
    spoil(input.value);
    const wasTaken = log.endOffset > offset;
    if (wasTaken) oracle.sent(record, offset);
    if (wasTaken && isWrong) oracle.fault('expected', `a wrong expectedOffset was taken at ${offset}`);
    const isLate = this.#hadFailed;
    world.narrate(`append ${record.id} for ${offset}${wasTaken ? '' : ': refused'}`);
    this.track(
      answer.then(
        (result) => {
          if (this.isOver) return;
          if (result.offset !== offset) oracle.fault('A3', `${result.offset} acked, ${offset} sent`);
          this.#acked([record], { offset, asked: durability, reached: result.durability, isLate });
        },
        (error: unknown) => this.#rejected([record], error, isWrong),
      ),
    );
  }

  appendBatch(): void {
    const { world, log } = this;
    const { random, oracle } = world;
    const records = Array.from({ length: randomBelow(random, 12) }, () => world.nextRecord());
    const inputs = records.map(inputFor);
    const durability = this.#level();
    const offset = log.endOffset;
    const answer = log.appendBatch(inputs, durability === null ? {} : { durability });
    for (const { value } of inputs) spoil(value);
    const wasTaken = log.endOffset > offset;
    if (wasTaken) records.forEach((record, at) => oracle.sent(record, offset + at));
    const isLate = this.#hadFailed;
    world.narrate(`append batch ${ids(records)} for ${offset}${wasTaken ? '' : ': refused'}`);
    this.track(
      answer.then(
        (result) => {
          if (this.isOver || records.length === 0) return;
          if (result.baseOffset !== offset || result.recordCount !== records.length) {
            oracle.fault('A3', `${result.baseOffset} acked, ${offset} sent`);
          }
          this.#acked(records, { offset, asked: durability, reached: result.durability, isLate });
        },
        (error: unknown) => this.#rejected(records, error, false),
      ),
    );
  }

  /** Some appends without a promise, and one that says when they are all there. */
  appendNoWait(): void {
    const { world, log } = this;
    const { random, oracle } = world;
    try {
      for (let left = 1 + randomBelow(random, 6); left > 0; left--) {
        const record = world.nextRecord();
        const expected = log.endOffset;
        const offset = log.appendNoWait(inputFor(record));
        if (offset < 0) break;
        if (offset !== expected) oracle.fault('A3', `appendNoWait said ${offset}, not ${expected}`);
        world.narrate(`appendNoWait ${record.id} for ${offset}`);
        oracle.sent(record, offset);
        this.#unanswered.push({ record, offset });
      }
    } catch (error) {
      this.#rejected([], error, false);
    }
    if (chance(random, 0.6)) this.#flush('flushed');
  }

  /** Everything so far shall be synced. */
  sync(): void {
    this.#flush('sync');
  }

  #flush(call: 'flushed' | 'sync'): void {
    const { world, log } = this;
    const { oracle, plan, tally } = world;
    const level = call === 'sync' || plan.durability === 'sync' ? 'sync' : 'os';
    const { endOffset } = log;
    const unanswered = this.#unanswered;
    world.narrate(`${call}() at end ${endOffset}`);
    this.track(
      log[call]().then(
        () => {
          if (this.isOver) return;
          world.narrate(`${call}() at end ${endOffset} done`);
          for (const { record, offset } of unanswered) oracle.acked(record, offset, level);
          tally.add('acks', unanswered.length);
          if (level === 'sync') oracle.durableUpTo(endOffset);
          else oracle.writtenUpTo(endOffset);
        },
        (error: unknown) => this.#rejected([], error, false),
      ),
    );
    this.#unanswered = [];
  }

  deleteBefore(): void {
    const { oracle, random, tally } = this.world;
    const { startOffset, visibleOffset } = this.log;
    const offset = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
    oracle.startMax = Math.max(oracle.startMax, offset);
    this.track(
      this.log.deleteBefore(offset).then(
        () => {
          if (this.isOver) return;
          oracle.startMin = Math.max(oracle.startMin, offset);
          if (this.log.startOffset < offset) oracle.fault('start', `${offset} deleted in vain`);
          tally.add('trims');
        },
        (error: unknown) => this.#rejected([], error, false),
      ),
    );
  }

  retain(): void {
    const { oracle, tally } = this.world;
    this.track(
      this.log.retain().then(
        ({ startOffset, deletedSegmentCount }) => {
          if (this.isOver) return;
          oracle.startMin = Math.max(oracle.startMin, startOffset);
          tally.add('trims', deletedSegmentCount);
        },
        (error: unknown) => this.#rejected([], error, false),
      ),
    );
  }

  /** The disk is nearly full from now on, or has room again. */
  resizeDisk(freeBytes: number | null): void {
    const { fileSystem } = this.world;
    this.#isDiskLimited = freeBytes !== null;
    this.#wasDiskLimited ||= this.#isDiskLimited;
    fileSystem.capacityBytes = freeBytes === null ? 2 ** 40 : fileSystem.disk.tree.usedBytes + freeBytes;
  }

  get isDiskLimited(): boolean {
    return this.#isDiskLimited;
  }

  /** Whether an error is one that the program had to expect. */
  isExplained(error: unknown): boolean {
    const { injector } = this.world;
    if (error instanceof BackpressureError) return true;
    if (error instanceof ClosedError) return this.log.stats().state === 'closed';
    if (error instanceof DiskFullError) return this.#wasDiskLimited || injector.firedCount > 0;
    if (error instanceof OffsetOutOfRangeError) return true;
    const isIo = error instanceof IoError || error instanceof FailedError || error instanceof LockedError;
    return isIo && (injector.firedCount > 0 || this.#wasDiskLimited);
  }

  #acked(
    records: readonly SentRecord[],
    ack: {
      readonly offset: number;
      readonly asked: DurabilityLevel | null;
      readonly reached: DurabilityLevel;
      readonly isLate: boolean;
    },
  ): void {
    const { oracle, plan, tally } = this.world;
    const asked = ack.asked ?? plan.durability;
    if (DURABILITY_LEVELS.indexOf(ack.reached) < DURABILITY_LEVELS.indexOf(asked)) {
      oracle.fault('level', `asked for ${asked}, told ${ack.reached}`);
    }
    if (ack.isLate) oracle.fault('A17', `offset ${ack.offset} was sent to a failed writer and acked`);
    this.world.narrate(`acked ${ids(records)} at ${ack.offset}, ${ack.reached}`);
    records.forEach((record, at) => oracle.acked(record, ack.offset + at, ack.reached));
    tally.add('acks', records.length);
  }

  #rejected(records: readonly SentRecord[], error: unknown, wasWrong: boolean): void {
    if (this.isOver) return;
    const { oracle, tally } = this.world;
    this.world.narrate(`rejected ${ids(records)}: ${String(error)}`);
    const isWrongOffset = error instanceof WrongOffsetError;
    if (wasWrong ? false : isWrongOffset || !this.isExplained(error)) {
      oracle.fault('error', `unexpected ${String(error)}${causeOf(error)}`);
    }
    if (error instanceof DiskFullError) tally.add('diskFull');
    if (isIndeterminate(error)) {
      tally.add('indeterminate', records.length);
      return;
    }
    tally.add('refusals', records.length);
    for (const record of records) oracle.refused(record);
  }

  #level(): DurabilityLevel | null {
    const { plan, random } = this.world;
    return plan.mixesLevels && chance(random, 0.5) ? pick(random, DURABILITY_LEVELS) : null;
  }
}

function ids(records: readonly SentRecord[]): string {
  const first = records[0]?.id ?? -1;
  return records.length === 1 ? `#${first}` : `#${first}+${records.length - 1}`;
}

function isIndeterminate(error: unknown): boolean {
  return error instanceof FailedError && error.details.indeterminate;
}

export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const own = error.stack ?? '';
  return error.cause === undefined ? `\n${own}` : `, caused by ${String(error.cause)}${causeOf(error.cause)}`;
}

/** The caller's buffer is the caller's again when the call returns. */
function spoil(bytes: Uint8Array | null): void {
  bytes?.fill(0xee);
}
