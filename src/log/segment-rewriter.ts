/**
 * Makes the next generation of a sealed segment, of those of its records that a filter keeps, under the name
 * of an unfinished file: whole, durable, and read back. Nothing of the log changes; whoever asked for it puts
 * it in place, or discards it.
 *
 * A failure leaves nothing behind; where the unlink fails too, a name at which no reader looks, and which the
 * next attempt or the next opening removes.
 */
import { assert } from '../core/assert.ts';
import { CorruptLogError, isIoError } from '../core/errors.ts';
import type { Pace } from '../core/pace.ts';
import { recordsOffThread } from '../format/batch-records.ts';
import type { Compressor } from '../format/compression.ts';
import { TEMPORARY_SUFFIX } from '../format/file-names.ts';
import type { SegmentHeader } from '../format/segment-header.ts';
import type { File } from '../io/file-system.ts';
import { enterSegment } from '../segment/segment-entry.ts';
import type { Segment } from '../segment/segment.ts';
import type { CompactionStamps } from './compaction-plan.ts';
import { GenerationFile } from './generation-file.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogHome } from './log-home.ts';
import { NextGeneration, type Generation, type SealedSegment } from './next-generation.ts';
import type { ReadableLog } from './readable-log.ts';
import { RecordChoice } from './record-choice.ts';
import type { RecordFilter } from './record-filter.ts';
import { SealedWalk } from './sealed-walk.ts';
import { SegmentSurvey, type Survey } from './segment-survey.ts';
import type { SpaceGuard } from './space-guard.ts';

export interface SegmentRewriterOptions {
  readonly log: Pick<ReadableLog, 'logId' | 'segments' | 'handles'>;
  readonly directory: Pick<LogDirectory, 'fileSystem'>;
  /** Bounds the syncs of a store; null = its own may always begin. */
  readonly takeTurn: LogHome['takeTurn'];
  readonly space: Pick<SpaceGuard, 'refusal'>;
  /** How the log compresses now; batches keep their kind of compression. */
  readonly compressor: () => Compressor | null;
}

/** A next generation that is not in place. */
export interface Rewritten extends Generation {
  readonly old: Segment;
  readonly temporaryPath: string;
}

interface Rewriting {
  readonly filter: RecordFilter;
  /** Null = what the header says of compaction by key stays. */
  readonly stamps: CompactionStamps | null;
  readonly pace: Pace;
}

export class SegmentRewriter {
  readonly #options: SegmentRewriterOptions;

  constructor(options: SegmentRewriterOptions) {
    this.#options = options;
  }

  /**
   * Reads and filters a sealed segment, and writes nothing.
   *
   * @throws CorruptLogError where it is damaged; CodecUnavailableError, UnsupportedVersionError, IoError
   *   (ENOENT also when it was removed from the log meanwhile); what `Pace.turn` throws
   */
  survey(
    segment: Segment,
    filter: RecordFilter,
    pace: Pace,
    { stopsAtFirst = false }: { readonly stopsAtFirst?: boolean } = {},
  ): Promise<Survey> {
    return this.#reading(segment, async (source) => {
      const survey = new SegmentSurvey();
      const choice = new RecordChoice();
      const walk = new SealedWalk(source, pace);
      const keeps = filter.keeps.bind(filter);
      filter.begin(segment, source.end);
      let batch = await walk.next();
      for (; batch !== null; batch = await walk.next()) {
        await choice.choose(await recordsOffThread(batch), keeps, pace);
        survey.add(batch, choice);
        if (stopsAtFirst && survey.removedCount > 0) break;
      }
      const { recordCount, tombstoneCount, removedCount, sizeBytes } = survey;
      return { recordCount, tombstoneCount, removedCount, sizeBytes, isWhole: batch === null };
    });
  }

  /**
   * Makes the next generation. The filter is begun anew each time that it is read.
   *
   * @throws what `survey` throws; DiskFullError, also where there would be too little room left
   */
  async rewrite(segment: Segment, rewriting: Rewriting): Promise<Rewritten> {
    await this.#askForRoom(segment, rewriting);
    return this.#reading(segment, (source) => this.#make(source, rewriting));
  }

  /** The header of a segment, read once. @throws CorruptLogError, UnsupportedVersionError, IoError */
  async enter(segment: Segment): Promise<SegmentHeader> {
    if (segment.header !== null) return segment.header;
    const lease = await this.#options.log.handles.acquire(segment.path);
    try {
      return await this.#headerOf(segment, lease.file);
    } finally {
      lease.release();
    }
  }

  /** Removes what was made and is not in place. @throws IoError */
  async discard({ temporaryPath }: Pick<Rewritten, 'temporaryPath'>): Promise<void> {
    try {
      await this.#options.directory.fileSystem.unlink(temporaryPath);
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error;
    }
  }

  /** Where there is none for as much as it has, it is read once more than else: what stays may be little. */
  async #askForRoom(segment: Segment, { filter, pace }: Rewriting): Promise<void> {
    const { space } = this.#options;
    if ((await space.refusal(segment.sizeBytes)) === null) return;
    const { sizeBytes } = await this.survey(segment, filter, pace);
    const refusal = await space.refusal(sizeBytes);
    if (refusal !== null) throw refusal;
  }

  async #make(source: SealedSegment, rewriting: Rewriting): Promise<Rewritten> {
    const { segment: old } = source;
    const { directory, takeTurn, compressor } = this.#options;
    const temporaryPath = old.path + TEMPORARY_SUFFIX;
    const turns =
      takeTurn === null ? null : (isBackground: boolean) => takeTurn(isBackground, this);
    await this.discard({ temporaryPath }); // Of an attempt whose unlink failed.
    let file: File | null = null;
    try {
      file = await directory.fileSystem.open(temporaryPath, 'create');
      const out = new GenerationFile({ file, takeTurn: turns, pace: rewriting.pace });
      const parts = { ...rewriting, source, out, compressor: compressor() };
      const made = await new NextGeneration(parts).write();
      await file.close();
      return { ...made, old, temporaryPath };
    } catch (error) {
      await Promise.allSettled([file?.close()]);
      await Promise.allSettled([this.discard({ temporaryPath })]);
      throw error;
    }
  }

  async #reading<T>(segment: Segment, use: (source: SealedSegment) => Promise<T>): Promise<T> {
    const { handles, segments } = this.#options.log;
    const next = segments.after(segment.baseOffset);
    assert(next !== null, 'the last segment is never rewritten');
    await this.enter(next);
    const lease = await handles.acquire(segment.path);
    try {
      const { file } = lease;
      const header = await this.#headerOf(segment, file);
      return await use({ segment, next, file, header, end: next.baseOffset });
    } finally {
      lease.release();
    }
  }

  #headerOf(segment: Segment, file: File): Promise<SegmentHeader> {
    return enterSegment(segment, file, { logId: this.#options.log.logId, previous: null });
  }
}

/**
 * Whether a failure may come of retention, which took the segment meanwhile: it is not there, or ends where
 * the first that is left begins. Of a segment that is still listed it is what it says.
 */
export function mayComeOfRemoval(error: unknown): boolean {
  return isIoError(error, 'ENOENT') || error instanceof CorruptLogError;
}
