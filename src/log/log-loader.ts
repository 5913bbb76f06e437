/**
 * Opens the files of a log: finds out what is there, judges the tail, repairs it when allowed, and
 * leaves a state from which to append and read. The lock is held by the caller.
 */
import {
  ConflictError,
  CorruptLogError,
  DiskFullError,
  NotFoundError,
  UnsupportedVersionError,
  type CorruptLogDetails,
} from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { Checkpoint, ParsedCheckpointFile } from '../format/checkpoint.ts';
import { FORMAT_VERSION } from '../format/layout.ts';
import type { Segment } from '../segment/segment.ts';
import { CheckpointFile, firstCheckpoint, readCheckpoint } from './checkpoint-file.ts';
import { isSamePlace, replaceDamage } from './damage-repair.ts';
import { unfinishedCopies } from './quarantine.ts';
import { beginEpoch } from './epochs.ts';
import { createFirstSegment } from './first-segment.ts';
import type { DirectoryListing, LogDirectory } from './log-directory.ts';
import { checkNoStore } from './lock-place.ts';
import type { LoadingHome } from './log-home.ts';
import type { LogGap, RecoveryReport } from './recovery-report.ts';
import { examineTail, type TailExamination } from './tail-examination.ts';
import { cutTornTail, rewriteTail, type CutReport } from './tail-repair.ts';

export type OnCorruption = 'fail' | 'readonly' | 'skip';

export interface LoadOptions {
  readonly directory: LogDirectory;
  readonly home: LoadingHome;
  readonly random: Random;
  readonly clock: Clock;
  readonly onCorruption: OnCorruption;
  /** False: nothing is written, whatever is found. */
  readonly canWrite: boolean;
  /**
   * True beside a live writer: only what its checkpoint calls visible is looked at. What lies
   * behind is being written, and its to judge.
   */
  readonly endsAtCheckpoint: boolean;
  /** Whether a log may be made where there is none. */
  readonly create: boolean;
  /** `all` also looks at sealed segments, as a repair does; default `tail`: what opening needs. */
  readonly examines?: 'tail' | 'all';
}

/** A log as it stands on disk, ready to be read, and appended to when `checkpointFile` is there. */
export interface LoadedLog {
  readonly logId: number;
  /** Ascending; those of the tail are known in full, earlier ones by name. */
  readonly segments: Segment[];
  /** Where the next batch goes; null: a new segment begins at `endOffset`. */
  readonly active: Segment | null;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly lastAppendTimeMs: number;
  /** The checkpoint as it was read, or made up when both slots were bad. */
  readonly checkpoint: Checkpoint;
  /** Null when the log is read-only. */
  readonly checkpointFile: CheckpointFile | null;
  readonly report: Omit<RecoveryReport, 'durationMs'>;
}

/**
 * Loads the log in a directory that exists. Creates its checkpoint when there is no log yet.
 *
 * @throws CorruptLogError (`ERR_VARVE_CORRUPT`) when acknowledged data is damaged and
 *   `onCorruption` is `fail`; NotFoundError when there is none and none may be made;
 *   ConflictError when a store owns the log; UnsupportedVersionError; IoError
 */
export async function loadLog(options: LoadOptions): Promise<LoadedLog> {
  const { directory, canWrite } = options;
  // The checkpoint first: beside a live writer a mark that is too low is harmless, one above what
  // was listed would look like lost data.
  const parsed = await readCheckpoint(directory);
  const listing = await directory.list();
  if (canWrite) {
    checkNoStore(directory, listing);
    await removeTemporaries(directory, listing);
  }
  if (parsed.newerVersion !== null) {
    throw new UnsupportedVersionError({
      file: directory.checkpointPath,
      found: parsed.newerVersion,
      supported: FORMAT_VERSION,
    });
  }
  const isNew = listing.segments.length === 0 && !listing.hasCheckpoint;
  const loader = new LogLoader(options, listing, parsed);
  if (isNew) {
    if (!canWrite || !options.create) {
      throw new NotFoundError({ kind: 'log', name: directory.path });
    }
    await loader.create();
  }
  const { isWritableByOthers } = await directory.fileSystem.stat(directory.path);
  if (isWritableByOthers) loader.remark('the directory is writable by its group or by everybody');
  return loader.load();
}

/** Unfinished files of an earlier process: whatever they were for was never acknowledged. */
async function removeTemporaries(
  directory: LogDirectory,
  listing: DirectoryListing,
): Promise<void> {
  const inQuarantine = listing.hasQuarantine ? await unfinishedCopies(directory) : [];
  for (const path of [...listing.temporaries, ...inQuarantine]) {
    await directory.fileSystem.unlink(path);
  }
}

class LogLoader {
  readonly #options: LoadOptions;
  readonly #directory: LogDirectory;
  readonly #listing: DirectoryListing;
  readonly #notes: string[];
  readonly #gaps: LogGap[] = [];
  #checkpoint: Checkpoint | null;
  #slot: number;
  #segments: readonly Segment[];
  /** Where the next examination begins, at the latest; null: at the tail. */
  #fromOffset: number | null;
  #isCreated = false;

  constructor(options: LoadOptions, listing: DirectoryListing, parsed: ParsedCheckpointFile) {
    this.#options = options;
    this.#directory = options.directory;
    this.#listing = listing;
    this.#segments = listing.segments;
    this.#checkpoint = parsed.checkpoint;
    this.#slot = parsed.slot;
    this.#fromOffset = options.examines === 'all' ? this.#startOffset() : null;
    this.#notes = [
      ...parsed.problems,
      ...listing.foreign.map((name) => `left alone, not ours: ${name}`),
    ];
  }

  /** Adds something worth knowing that harms nothing to the report. */
  remark(message: string): void {
    this.#notes.push(message);
  }

  async create(): Promise<void> {
    const checkpoint = firstCheckpoint(this.#options.random);
    await this.#directory.syncAncestors();
    await CheckpointFile.create(this.#directory, checkpoint);
    this.#checkpoint = checkpoint;
    this.#slot = 0;
    this.#isCreated = true;
    const { ownerId } = this.#options.home;
    if (ownerId === null || ownerId === 0) return;
    await createFirstSegment({ ...this.#options, checkpoint, ownerId });
    this.#segments = (await this.#directory.list()).segments;
  }

  async load(): Promise<LoadedLog> {
    let repaired: CorruptLogDetails | null = null;
    let culprit: CorruptLogDetails | null = null;
    for (;;) {
      const examination = await this.#examine();
      const damage = this.#alarm(examination);
      if (damage === null) return this.#finish(examination);
      if (this.#options.onCorruption === 'fail') throw new CorruptLogError(damage);
      if (this.#options.onCorruption === 'readonly' || !this.#options.canWrite) {
        return this.#readOnly(examination, damage);
      }
      if (this.#startsAtDamage(examination)) continue;
      // Each repair moves the first damage on; one that did not never will.
      if (repaired !== null && isSamePlace(repaired, damage)) throw new CorruptLogError(damage);
      repaired = damage;
      const gap = await replaceDamage({
        directory: this.#directory,
        random: this.#options.random,
        checkpoint: this.#checkpoint,
        examination,
        details: culprit ?? damage,
      });
      if (gap !== null) this.#gaps.push(gap);
      // What lies before the damage was found sound: a long log is not walked again for each place.
      if (this.#fromOffset !== null) this.#fromOffset = Math.max(0, examination.endOffset - 1);
      this.#segments = (await this.#directory.list()).segments;
      // A file that was moved away leaves a hole, which is found next; it is still to blame.
      const wasMoved = gap === null && !this.#segments.some(({ path }) => path === damage.file);
      culprit = wasMoved ? damage : null;
    }
  }

  /**
   * Whether the first segment that was walked is damaged at its header: a new header states how
   * the segment before ends, so the next examination begins there.
   */
  #startsAtDamage({ firstAt, lastAt, segments }: TailExamination): boolean {
    const first = segments[firstAt];
    if (first === undefined || firstAt === 0 || lastAt >= firstAt) return false;
    this.#fromOffset = first.baseOffset - 1;
    return true;
  }

  async #examine(): Promise<TailExamination> {
    const examination = await examineTail({
      fileSystem: this.#directory.fileSystem,
      segments: this.#segments,
      checkpoint: this.#checkpoint,
      logId: this.#checkpoint?.logId ?? 0,
      to: this.#options.endsAtCheckpoint ? (this.#checkpoint?.visibleOffset ?? null) : null,
      fromOffset: this.#fromOffset,
    });
    this.#checkOwner(examination.segments[examination.lastAt]?.header?.ownerId ?? null);
    return examination;
  }

  /** Two stores, or a store and a program of its own, would write to one log. */
  #checkOwner(stored: number | null): void {
    const { ownerId, logId } = this.#options.home;
    // A repair that found no header whole could not know.
    if (stored === 0 && logId !== null && logId === this.#checkpoint?.logId) return;
    if (!this.#options.canWrite || stored === null || ownerId === null || stored === ownerId)
      return;
    throw new ConflictError({
      kind: 'log',
      name: this.#directory.path,
      stored: stored === 0 ? 'of its own' : `owned by store ${stored}`,
      requested: ownerId === 0 ? 'to be opened as a bare log' : `to be opened by store ${ownerId}`,
    });
  }

  /** The damage to report when acknowledged data is affected; null for a torn tail or none. */
  #alarm(examination: TailExamination): CorruptLogDetails | null {
    const startOffset = this.#startOffset();
    const first = this.#segments[0];
    const isSynced = examination.syncedOffset > startOffset;
    if (first !== undefined && first.baseOffset > startOffset && isSynced) {
      return {
        file: first.path,
        position: 0,
        kind: 'chain',
        firstOffset: startOffset,
        nextOffset: first.baseOffset,
        reason: `the log starts at offset ${startOffset}, its first segment at ${first.baseOffset}`,
      };
    }
    const { damage, endOffset, syncedOffset } = examination;
    const isForeign = damage?.isForeign ?? false;
    if (!isForeign && (syncedOffset <= endOffset || syncedOffset <= startOffset)) return null;
    const last = this.#segments[damage?.segmentAt ?? examination.lastAt];
    return {
      file: last?.path ?? this.#directory.path,
      position: damage?.position ?? last?.sizeBytes ?? 0,
      kind: damage?.kind ?? 'length',
      firstOffset: endOffset,
      nextOffset: damage?.resume?.baseOffset ?? Math.max(syncedOffset, endOffset),
      reason: `${damage?.reason ?? 'the file ends here'}; offsets below ${syncedOffset} were synced, so this is no torn tail`,
    };
  }

  /** With both slots bad the first segment is all there is to go by; that is reported. */
  #startOffset(): number {
    return this.#checkpoint?.startOffset ?? this.#segments[0]?.baseOffset ?? 0;
  }

  async #finish(examination: TailExamination): Promise<LoadedLog> {
    if (!this.#options.canWrite) return this.#loaded(examination, null, NOTHING_CUT, 0);
    let cut: CutReport;
    try {
      cut = await this.#cut(examination);
    } catch (error) {
      const isRepair = this.#options.examines === 'all'; // Asked for, so it is done or it fails.
      if (!(error instanceof DiskFullError) || isRepair) throw error;
      this.#notes.push(`no room to quarantine the torn tail: read-only (${error.message})`);
      return this.#loaded(examination, null, NOTHING_CUT, 0);
    }
    if (this.#listing.hasQuarantine) {
      // As the tail: a move that an earlier process made and failed to sync may still be undone.
      await this.#directory.fileSystem.syncDirectory(this.#directory.quarantinePath);
    }
    const rewrittenBytes = await rewriteTail(this.#directory, examination);
    const checkpointFile = await this.#takeOver(examination);
    return this.#loaded(examination, checkpointFile, cut, rewrittenBytes);
  }

  async #cut(examination: TailExamination): Promise<CutReport> {
    try {
      return await cutTornTail(this.#directory, examination);
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      if (!(await this.#options.home.giveUpReserve(this.#directory))) throw error;
      return cutTornTail(this.#directory, examination);
    }
  }

  /** Begins a new epoch in a synced checkpoint, then removes what lies below the start offset. */
  async #takeOver(examination: TailExamination): Promise<CheckpointFile> {
    const last = this.#checkpoint ?? (await this.#recreateCheckpoint(examination));
    const file = await CheckpointFile.open(this.#directory, last, this.#slot);
    try {
      await this.#beginEpoch(file, last, examination);
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }

  async #beginEpoch(
    file: CheckpointFile,
    last: Checkpoint,
    examination: TailExamination,
  ): Promise<void> {
    const endOffset = Math.max(examination.endOffset, this.#startOffset());
    // What the journal gave to somebody still belongs to the epochs before.
    const epochStart = Math.max(endOffset, this.#options.home.journaled?.endOffset ?? 0);
    const lastEpoch = Math.max(last.epochs.at(-1)?.epoch ?? 0, examination.epoch);
    file.epochs = beginEpoch(last.epochs, lastEpoch + 1, epochStart);
    const end = examination.segments[examination.lastAt];
    const state = {
      startOffset: this.#startOffset(),
      syncedOffset: endOffset,
      visibleOffset: endOffset,
      hintSegment: end?.baseOffset ?? endOffset,
      hintPosition: end?.dataEndPosition ?? 0,
    };
    // Both slots: what an earlier process wrote and failed to sync must not come back.
    await file.writeBothSynced(() => state);
    await this.#options.home.keepReserve(this.#directory, this.#listing.hasReserve);
  }

  async #recreateCheckpoint(examination: TailExamination): Promise<Checkpoint> {
    const header = examination.segments[examination.lastAt]?.header ?? null;
    const first = firstCheckpoint(this.#options.random, this.#startOffset());
    // Without a checkpoint every batch was walked: the epochs stand in them.
    const epochs = examination.epochs.length === 0 ? first.epochs : examination.epochs;
    const checkpoint = { ...first, epochs, logId: header?.logId ?? first.logId };
    this.#notes.push('no valid checkpoint: the log starts at its first segment');
    await CheckpointFile.create(this.#directory, checkpoint);
    this.#slot = 0;
    return checkpoint;
  }

  #readOnly(examination: TailExamination, damage: CorruptLogDetails): LoadedLog {
    const loaded = this.#loaded(examination, null, NOTHING_CUT, 0);
    // The walk ended at the damage; readers may go on behind it.
    for (const segment of examination.segments) segment.forgetEnd();
    return {
      ...loaded,
      segments: [...examination.segments],
      // Also what was synced and is gone: readers shall meet the damage, not a quiet end.
      endOffset: Math.max(loaded.endOffset, examination.reachableOffset, examination.syncedOffset),
      report: { ...loaded.report, damage },
    };
  }

  #loaded(
    examination: TailExamination,
    checkpointFile: CheckpointFile | null,
    cut: CutReport,
    rewrittenBytes: number,
  ): LoadedLog {
    const { firstAt, lastAt, isSealed } = examination;
    const startOffset = this.#startOffset();
    const endOffset = Math.max(examination.endOffset, startOffset);
    const last = examination.segments[lastAt] ?? null;
    const isStale = last !== null && examination.endOffset < startOffset;
    const header = last?.header ?? null;
    return {
      logId: checkpointFile?.logId ?? this.#checkpoint?.logId ?? header?.logId ?? 0,
      segments: examination.segments.slice(0, lastAt + 1),
      active: isSealed || isStale || lastAt < firstAt ? null : last,
      startOffset,
      endOffset,
      lastAppendTimeMs: examination.lastAppendTimeMs,
      checkpoint: this.#checkpoint ?? firstCheckpoint(this.#options.random, startOffset),
      checkpointFile,
      report: {
        outcome: this.#outcome(checkpointFile !== null, cut, rewrittenBytes),
        verifiedBytes: examination.verifiedBytes,
        rewrittenBytes,
        cutBytes: cut.cutBytes,
        quarantined: cut.quarantined,
        gaps: this.#gaps,
        damage: null,
        notes: [...this.#notes, ...examination.notes],
      },
    };
  }

  #outcome(isWriter: boolean, cut: CutReport, rewritten: number): RecoveryReport['outcome'] {
    if (!isWriter) return 'readonly';
    if (this.#isCreated) return 'created';
    if (this.#gaps.length > 0) return 'skipped';
    return cut.cutBytes > 0 || rewritten > 0 ? 'recovered' : 'clean';
  }
}

const NOTHING_CUT: CutReport = { cutBytes: 0, quarantined: [] };
