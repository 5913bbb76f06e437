/** What handles of an open log are made of, and what all of them share. */
import type { Codec } from '../codec/codec.ts';
import type { LogSettings } from './log-options.ts';
import type { LogWriter } from './log-writer.ts';
import type { ReadPlan } from './read-options.ts';
import { readOnlyError, type ReadableLog } from './readable-log.ts';
import type { PrepareSettings } from './record-input.ts';
import type { RecordOrigin } from './record.ts';
import { RecordSource, type BatchMemory } from './record-source.ts';
import type { RecoveryReport } from './recovery-report.ts';

/** Files that a writer keeps open: the active segment and the checkpoint. */
export const WRITER_FILES = 2;

/** What `openLog` hands over. */
export interface LogParts<T, Input> {
  /** Those of the whole log; some may change while it is open. */
  readonly settings: Omit<LogSettings<never>, 'codec'>;
  readonly codec: Codec<T, Input>;
  readonly partition: number;
  readonly log: ReadableLog;
  /** Null when the log is read-only. */
  readonly writer: LogWriter | null;
  readonly recovery: RecoveryReport;
}

/** What the records of one handle have in common, for those who write and read them. */
export type HandleOrigin<T, Input> = RecordOrigin<T> & PrepareSettings<Input>;

/** How a read gives its batches, and how far it goes. */
export interface ReadWay {
  readonly memory: BatchMemory;
  /** Only as far as what survives a power cut; default false. */
  readonly isDurable?: boolean;
}

/** Shared by all handles. */
export class LogLife {
  /** Set by the first `close`. */
  closing: Promise<void> | null = null;
  /** Reads that were begun and not ended: an abandoned iterator must not keep a file open. */
  readonly reads = new Set<RecordSource>();
  /** Reads of single records so far. */
  readCount = 0;
  readonly #settings: LogParts<never, never>['settings'];
  readonly #log: ReadableLog;
  readonly #writer: LogWriter | null;

  constructor(parts: Pick<LogParts<never, never>, 'settings' | 'log' | 'writer'>) {
    const { settings, log, writer } = parts;
    this.#settings = settings;
    this.#log = log;
    this.#writer = writer;
  }

  /** Grows with each append and each read of a single record. */
  get useCount(): number {
    return this.readCount + (this.#writer?.appender.nextOffset ?? 0);
  }

  /** Whether closing it now would cut nobody short, and hide no failure. */
  get isQuiet(): boolean {
    if (this.reads.size > 0) return false;
    if (this.#writer === null) return true;
    if (this.#writer.encoded.areOnTheirWay) return false;
    const { failure, queuedBytes, commits } = this.#writer.appender;
    // What waits for room on the disk cannot be synced before there is some.
    return failure === null && queuedBytes === 0 && commits.pending === null;
  }

  /** Files that it keeps open. */
  get fileCount(): number {
    return this.#log.handles.openCount + (this.#writer === null ? 0 : WRITER_FILES);
  }

  /** Begins a read. @throws ReadOnlyError for one that follows where nothing will come */
  read(plan: ReadPlan, { memory, isDurable = false }: ReadWay): RecordSource {
    // Opened in spite of damage: what follows is not what an append would bring.
    if (plan.follow && this.#writer === null && this.#log.follower === null) {
      throw readOnlyError(this.#log, 'follow');
    }
    const source: RecordSource = new RecordSource({
      log: this.#log,
      plan,
      memory,
      isDurable,
      clock: this.#settings.clock,
      pollMs: this.#settings.pollMs,
      failure: () => this.#writer?.appender.failure ?? null,
      isClosed: () => this.closing !== null,
      onClosed: () => this.reads.delete(source),
    });
    this.reads.add(source);
    return source;
  }

  /** Closes the files that are kept for the next reader. */
  dropFiles(): void {
    this.#log.handles.clear();
  }
}
