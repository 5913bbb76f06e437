/** The figures of an open log. */
import { NO_COMPACTION, type CompactionStats } from './compactor.ts';
import type { LogWriter } from './log-writer.ts';
import type { ReadableLog } from './readable-log.ts';

export interface LogStats {
  readonly state: 'open' | 'readonly' | 'failed' | 'closed';
  readonly startOffset: number;
  /** Offset of the next record. */
  readonly endOffset: number;
  readonly visibleOffset: number;
  readonly syncedOffset: number;
  readonly segmentCount: number;
  /** Bytes of all segment files. */
  readonly sizeBytes: number;
  /** Bytes appended and not yet acknowledged. */
  readonly queuedBytes: number;
  /** Bytes of committed records that wait for room on the disk; the journal has them. */
  readonly pendingApplyBytes: number;
  /** What holds the directory for this writer; null when read-only. */
  readonly lockMechanism: string | null;
  /** Segments that retention deleted since the log was opened. */
  readonly retainedAway: {
    readonly age: number;
    readonly size: number;
    readonly settled: number;
  };
  readonly compaction: CompactionStats;
  /**
   * Bytes of segments that would go by age or size if nobody needed what is in them, at the last look: of
   * groups that are not done (`unfinished`), of windows of ids, of exchanges.
   */
  readonly waitingBytes: number;
  /** Last failure of a background task; null when there is none. */
  readonly lastError: unknown;
}

/** Collects the figures. O(segments), no I/O. */
export function describeLog(
  log: ReadableLog,
  writer: LogWriter | null,
  isClosed: boolean,
): LogStats {
  const { marks, segments } = log;
  const compaction = writer?.compactor.stats ?? NO_COMPACTION;
  return {
    state: stateOf(writer, isClosed),
    startOffset: marks.startOffset,
    endOffset: writer?.appender.nextOffset ?? marks.visibleOffset,
    visibleOffset: marks.visibleOffset,
    syncedOffset: marks.syncedOffset,
    segmentCount: segments.all.length,
    sizeBytes: segments.all.reduce((sum, segment) => sum + segment.sizeBytes, 0),
    queuedBytes: writer?.appender.queuedBytes ?? 0,
    pendingApplyBytes: writer?.appender.commits.pendingBytes ?? 0,
    lockMechanism: writer?.lock.mechanism ?? null,
    retainedAway: { ...(writer?.trimmer.deletedByReason ?? { age: 0, size: 0, settled: 0 }) },
    compaction,
    waitingBytes: writer?.trimmer.waitingBytes ?? 0,
    lastError:
      writer?.appender.failure ?? writer?.trimmer.lastError ?? compaction.lastError ?? null,
  };
}

function stateOf(writer: LogWriter | null, isClosed: boolean): LogStats['state'] {
  if (isClosed) return 'closed';
  if (writer === null) return 'readonly';
  return writer.appender.failure === null ? 'open' : 'failed';
}
