/** Everything that a log open for writing consists of, put together, and taken apart in order. */
import { LockedError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import { Appender } from './appender.ts';
import { BatchBuilder } from './batch-builder.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { CheckpointKeeper } from './checkpoint-keeper.ts';
import { CompactionTimer } from './compaction-timer.ts';
import { Compactor } from './compactor.ts';
import type { LogEnd } from './chunk.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { EncodedAppends } from './encoded-appends.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogHome, TakeTurn } from './log-home.ts';
import type { LoadedLog } from './log-loader.ts';
import type { LogSettings } from './log-options.ts';
import type { ReadableLog } from './readable-log.ts';
import { SegmentRewriter } from './segment-rewriter.ts';
import { SegmentSwap } from './segment-swap.ts';
import { SegmentTables } from './segment-tables.ts';
import { SettledRewriter, settledSpace } from './settled-rewriter.ts';
import { SpaceGuard, type SpaceGuardOptions } from './space-guard.ts';
import { SyncLoop, type SyncedPlace } from './sync-loop.ts';
import { Trimmer } from './trimmer.ts';

export interface LogWriterParts {
  readonly directory: LogDirectory;
  readonly home: Pick<
    LogHome,
    | 'ownerId'
    | 'giveUpReserve'
    | 'observer'
    | 'takeTurn'
    | 'room'
    | 'diskShare'
    | 'events'
    | 'topologyVersion'
    | 'trimGuard'
    | 'rewritingRoom'
    | 'ageClock'
    | 'compactsByItself'
  >;
  readonly settings: Omit<LogSettings<never>, 'codec'>;
  readonly loaded: LoadedLog;
  readonly checkpointFile: CheckpointFile;
  readonly lock: DirectoryLock;
  readonly log: ReadableLog;
}

export class LogWriter {
  readonly appender: Appender;
  readonly encoded: EncodedAppends;
  readonly syncLoop: SyncLoop;
  /** Whatever takes segments out of the log, or puts others in their place, does so one after the other. */
  readonly maintenance = new Mutex();
  /** Whoever makes the next generation of a segment, until it is in place: they all use one name for it. */
  readonly rewriting = new Mutex();
  readonly trimmer: Trimmer;
  readonly swap: SegmentSwap;
  readonly compactor: Compactor;
  readonly settledRewriter: SettledRewriter;
  readonly tables: SegmentTables;
  readonly checkpointFile: CheckpointFile;
  readonly lock: DirectoryLock;
  readonly #keeper: CheckpointKeeper;
  readonly #log: ReadableLog;
  /** Null = somebody else says when it is compacted, or it never is. */
  readonly #compactionTimer: CompactionTimer | null;

  private constructor(parts: LogWriterParts) {
    const { directory, home, settings, loaded, checkpointFile, lock, log } = parts;
    const { clock } = settings;
    const { events } = home;
    const takeTurn = turnsOf(this, home.takeTurn);
    const { marks } = log;
    const fail = (cause: unknown) => this.appender.fail(cause);
    const end = endOf(loaded);
    this.#log = log;
    this.tables = new SegmentTables(log);
    this.lock = lock;
    this.checkpointFile = checkpointFile;
    this.#keeper = new CheckpointKeeper({
      file: checkpointFile,
      clock,
      marks,
      takeTurn,
      giveUpReserve: () => home.giveUpReserve(directory),
      place: { offset: end.offset, segment: end.segment, position: end.position },
      onFailed: fail,
    });
    this.syncLoop = new SyncLoop({
      directory,
      marks,
      active: loaded.active,
      takeTurn,
      clock,
      events,
      onDue: () => this.appender.writeNow(),
      onSynced: (place) => this.#onSynced(place),
      onFailed: fail,
    });
    const builder = builderOf(parts, end);
    this.appender = this.#makeAppender(parts, builder, end);
    this.encoded = new EncodedAppends({
      builder,
      marks,
      appender: this.appender,
      syncLoop: this.syncLoop,
      onVisible: () => this.#keeper.onVisible(),
    });
    lock.onLost(() => fail(new LockedError({ path: directory.path, holder: null })));
    this.trimmer = this.#makeTrimmer(parts);
    const { appender, maintenance } = this;
    const onSwapped = () => this.#keeper.onSwapped();
    this.swap = new SegmentSwap({ directory, lock, log, appender, maintenance, onSwapped });
    const compactor = this.#makeCompactor(parts, builder);
    this.compactor = compactor;
    this.settledRewriter = this.#makeSettledRewriter(parts);
    const isTimed = home.compactsByItself && settings.compaction !== 'off';
    const { retentionCheckMs: checkMs } = settings;
    this.#compactionTimer = isTimed ? new CompactionTimer({ clock, checkMs, compactor }) : null;
  }

  #makeTrimmer({ directory, home, settings, log }: LogWriterParts): Trimmer {
    return new Trimmer({
      directory,
      log,
      clock: settings.clock,
      ageClock: home.ageClock,
      policy: settings,
      checkMs: settings.retentionCheckMs,
      keeper: this.#keeper,
      events: home.events,
      guard: home.trimGuard,
      syncLoop: this.syncLoop,
      appender: this.appender,
      maintenance: this.maintenance,
    });
  }

  #makeCompactor(parts: LogWriterParts, builder: BatchBuilder): Compactor {
    const { home, settings, log } = parts;
    const { clock, random } = settings;
    const { trimGuard: guard, events, ageClock } = home;
    const { appender, syncLoop, swap, rewriting } = this;
    const rewriterFor = (isAsked: boolean): SegmentRewriter =>
      rewriterOf(parts, spaceGuardOf(parts, home.rewritingRoom?.(isAsked) ?? home, 'rewrite'));
    const nowMs = () => Math.max(builder.appendTimeMs, clock.now());
    const own = { appender, syncLoop, rewriterFor, swap, rewriting, nowMs };
    return new Compactor({ log, clock, ageClock, random, settings, guard, events, ...own });
  }

  #makeSettledRewriter(parts: LogWriterParts): SettledRewriter {
    const { directory, home, settings, log } = parts;
    const { trimGuard: guard, events } = home;
    const { swap, rewriting } = this;
    const rewriter = rewriterOf(parts, settledSpace({ directory, clock: settings.clock }));
    return new SettledRewriter({ log, rewriter, swap, rewriting, guard, events, settings });
  }

  #makeAppender(parts: LogWriterParts, builder: BatchBuilder, end: LogEnd): Appender {
    const { directory, home, settings, checkpointFile, lock, log } = parts;
    const { marks, segments } = log;
    const { syncLoop } = this;
    const { clock, queuedBytesMax } = settings;
    const epoch = epochOf(checkpointFile);
    const guard = spaceGuardOf(parts, home, 'append');
    const writer = new ChunkWriter({
      directory,
      lock,
      marks,
      segments,
      syncLoop,
      guard,
      epoch,
      end,
    });
    return new Appender({
      path: directory.path,
      clock,
      marks,
      builder,
      writer,
      syncLoop,
      policy: settings,
      queuedBytesMax,
      observer: home.observer,
      onFailed: (error) => home.events?.failed(error),
      onWritten: () => this.#onWritten(settings.durability !== 'sync'),
      onVisible: () => this.#keeper.onVisible(),
    });
  }

  /** Opens the active segment for writing and removes what lies below the start. @throws IoError */
  static async open(parts: LogWriterParts): Promise<LogWriter> {
    const { loaded, directory } = parts;
    if (loaded.active !== null) {
      loaded.active.file = await directory.fileSystem.open(loaded.active.path, 'write');
    }
    const writer = new LogWriter(parts);
    await writer.trimmer.removeLeftovers();
    writer.trimmer.start();
    return writer;
  }

  /** Waits for what was appended, syncs everything, states it in the checkpoint, lets go of files. */
  async close(): Promise<void> {
    const { appender, syncLoop } = this;
    appender.refuseMore();
    this.swap.close();
    this.#compactionTimer?.close();
    await this.compactor.close();
    await this.settledRewriter.close();
    await this.trimmer.close();
    await appender.close();
    try {
      if (appender.failure === null) await syncLoop.syncAll().catch(() => undefined);
      await syncLoop.idle();
      await this.#closeCheckpoint();
    } finally {
      await this.#letGo();
    }
    const loss = appender.failure ?? appender.noWaitLoss;
    if (loss !== null) throw loss;
  }

  #segmentCount = 0;

  async #closeCheckpoint(): Promise<void> {
    try {
      await this.#keeper.close({ sync: this.appender.failure === null });
    } catch (cause) {
      this.appender.fail(cause); // `close` throws it.
    }
  }

  /** Closes every file and releases the lock, also when closing one of them fails. */
  async #letGo(): Promise<void> {
    try {
      await this.syncLoop.close();
    } finally {
      await this.lock.release();
    }
  }

  #onWritten(isVisible: boolean): void {
    if (isVisible) this.#keeper.onVisible();
    const segmentCount = this.#log.segments.all.length;
    if (segmentCount > this.#segmentCount && this.#segmentCount > 0) {
      this.trimmer.retainInBackground();
      this.#compactionTimer?.rolled();
    }
    this.#segmentCount = segmentCount;
  }

  #onSynced(place: SyncedPlace): Promise<void> | null {
    const stated = this.#keeper.onSynced(place);
    if (stated === null) this.#answer();
    return stated?.then(() => this.#answer()) ?? null;
  }

  #answer(): void {
    this.encoded.onSynced(); // First: whoever is answered finds the batches visible.
    this.appender.onSynced();
  }
}

function builderOf(
  { directory, home, settings, loaded, checkpointFile, log }: LogWriterParts,
  end: LogEnd,
): BatchBuilder {
  const { clock, random } = settings;
  return new BatchBuilder({
    directory,
    clock,
    random,
    marks: log.marks,
    logId: loaded.logId,
    ownerId: home.ownerId ?? 0,
    epoch: epochOf(checkpointFile),
    policy: settings,
    topologyVersion: home.topologyVersion,
    end,
  });
}

function rewriterOf(
  { directory, home, settings, log }: LogWriterParts,
  space: SpaceGuard,
): SegmentRewriter {
  const { takeTurn } = home;
  // May change while the log is open.
  const compressor = () => settings.compressor;
  return new SegmentRewriter({ log, directory, takeTurn, space, compressor });
}

function spaceGuardOf(
  { directory, settings }: LogWriterParts,
  { room, diskShare }: Pick<LogHome, 'room' | 'diskShare'>,
  operation: SpaceGuardOptions['operation'],
): SpaceGuard {
  const { clock, freeBytesMin } = settings;
  return new SpaceGuard({ directory, clock, operation, freeBytesMin, room, diskShare });
}

/** Its syncs are those of one log, whichever file they are of. */
function turnsOf(writer: LogWriter, takeTurn: LogHome['takeTurn']): TakeTurn | null {
  return takeTurn === null ? null : (isBackground) => takeTurn(isBackground, writer);
}

function epochOf({ epochs }: CheckpointFile): number {
  return epochs.at(-1)?.epoch ?? 1;
}

function endOf(loaded: LoadedLog): LogEnd {
  const segment =
    loaded.endOffset > 0 || loaded.active !== null ? (loaded.segments.at(-1) ?? null) : null;
  return {
    segment,
    isSealed: segment !== null && segment !== loaded.active,
    position: loaded.active?.dataEndPosition ?? SEGMENT_HEADER_BYTES,
    offset: loaded.endOffset,
    endCrc: segment?.endCrc ?? 0,
    appendTimeMs: loaded.lastAppendTimeMs,
    indexMark: loaded.active?.index?.mark() ?? null,
  };
}
