/** A destination log that is looked at before it is made again: what is left of it, and what is known. */
import { CorruptLogError, isIoError, NotFoundError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import { verifyLog } from '../log/verify.ts';
import type { Partition } from '../topic/partition.ts';
import { OldRecords } from './old-records.ts';
import type { LogMark } from './projection-state.ts';

export interface OldLogParts {
  readonly partition: Partition;
  readonly exchangeId: number;
  /** Of the exchange's common stream; null = it has none. */
  readonly mark: LogMark | null;
}

/** What is known of it, whatever can be read. */
interface Findings {
  /** Null = nothing can be read. */
  readonly log: Log<Uint8Array> | null;
  readonly isDamaged: boolean;
  /** Records that compaction took: they are missing, and nothing is lost. */
  readonly removedCount: number;
  /** Of the open log; null = it could not be opened. */
  readonly openEndOffset: number | null;
}

export class OldLog {
  readonly log: Partition;
  readonly mark: LogMark | null;
  /** The records that can be read; null = there are none. */
  readonly rest: OldRecords | null;
  readonly #findings: Findings;

  private constructor({ partition, exchangeId, mark }: OldLogParts, findings: Findings) {
    this.log = partition;
    this.mark = mark;
    this.#findings = findings;
    this.rest = findings.log === null ? null : new OldRecords(findings.log, exchangeId);
  }

  /** Close it. @throws IoError, and what else is not damage */
  static async look(parts: OldLogParts): Promise<OldLog> {
    const { partition } = parts;
    // What was appended is in the files; what a crash left half done is brought to its end.
    const openEndOffset = await ifSound(() => partition.use((opened) => syncedEnd(opened)));
    const log = await ifSound(() => partition.openStill());
    const isWhole = openEndOffset !== null && log !== null && log.recovery.damage === null;
    const files = await filesOf(partition);
    const isDamaged = !isWhole || files === null || files.isDamaged;
    const removedCount = files?.removedCount ?? 0;
    return new OldLog(parts, { log, isDamaged, removedCount, openEndOffset });
  }

  get partition(): number {
    return this.log.number;
  }

  get isMissing(): boolean {
    return this.#findings.log === null;
  }

  get isDamaged(): boolean {
    return this.#findings.isDamaged;
  }

  /** Records that compaction took. */
  get removedCount(): number {
    return this.#findings.removedCount;
  }

  get startOffset(): number {
    return this.#findings.log?.startOffset ?? 0;
  }

  get endOffset(): number {
    return this.#findings.log?.visibleOffset ?? 0;
  }

  /** Offsets below were known to somebody. */
  get knownEndOffset(): number {
    return Math.max(this.openEndOffset ?? 0, this.log.place().namedOffset);
  }

  /** Null = the log could not be opened. */
  get openEndOffset(): number | null {
    return this.#findings.openEndOffset;
  }

  /** Whether it is to get records of commits, which only an opening can bring. */
  get waitsForCommits(): boolean {
    return this.openEndOffset === null && this.log.place().hasCommits;
  }

  get lastEpoch(): number {
    return this.#findings.log?.epoch ?? 0;
  }

  async close(): Promise<void> {
    this.rest?.close();
    await this.#findings.log?.close();
  }
}

async function syncedEnd(log: Log<Uint8Array>): Promise<number> {
  if (!log.readOnly) await log.sync();
  return log.endOffset;
}

/** Null when damage, or what is gone, is in the way. @throws what else is */
async function ifSound<R>(action: () => Promise<R>): Promise<R | null> {
  try {
    return await action();
  } catch (error) {
    if (isLoss(error)) return null;
    throw error;
  }
}

function isLoss(error: unknown): boolean {
  const isDamage = error instanceof CorruptLogError || error instanceof NotFoundError;
  return isDamage || isIoError(error, 'ENOENT', 'ENOTDIR');
}

/** What its files say, read from end to end; null = some of them are gone. */
function filesOf(
  partition: Partition,
): Promise<{ readonly isDamaged: boolean; readonly removedCount: number } | null> {
  const { path, settings } = partition.place();
  const { fileSystem } = settings;
  return ifSound(async () => {
    let isDamaged = false;
    let removedCount = 0;
    for await (const event of verifyLog(path, { fileSystem })) {
      if (event.type === 'damage') isDamaged = true;
      else if (event.type === 'segment') removedCount += event.removedCount;
    }
    return { isDamaged, removedCount };
  });
}
