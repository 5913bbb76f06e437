/** Rewrites segments of a log that nobody has open, and puts what was made in place. */
import { ManualClock } from '../../src/core/clock.ts';
import { Pace } from '../../src/core/pace.ts';
import type { BatchCursor } from '../../src/format/batch-cursor.ts';
import type { Compressor } from '../../src/format/compression.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import type { CompactionStamps } from '../../src/log/compaction-plan.ts';
import { HandleCache } from '../../src/log/handle-cache.ts';
import { LogDirectory } from '../../src/log/log-directory.ts';
import { SegmentList } from '../../src/log/segment-list.ts';
import {
  SegmentRewriter,
  type Rewritten,
  type SegmentRewriterOptions,
} from '../../src/log/segment-rewriter.ts';
import { LOG_PATH } from './log-fixture.ts';

/** As fast as it goes, of a clock that stands still. */
export function unboundPace(signal?: AbortSignal): Pace {
  const clock = new ManualClock();
  return new Pace({ clock, bytesPerSecondMax: null, keepsAlive: true, signal });
}

/** Counts how often the event loop could have turned. */
export class CountedPace extends Pace {
  turns = 0;
  bytes = 0;

  constructor() {
    super({ clock: new ManualClock(), bytesPerSecondMax: null, keepsAlive: true });
  }

  override spend(bytes: number): void {
    this.bytes += bytes;
  }

  override async turn(): Promise<void> {
    this.turns++;
  }
}

export interface ClosedRewritingOptions extends Partial<
  Pick<SegmentRewriterOptions, 'space' | 'takeTurn'>
> {
  readonly compressor?: Compressor | null;
}

/** A rewriter of the log in `/data`, as it stands. */
export class ClosedRewriting {
  readonly rewriter: SegmentRewriter;
  readonly segments: SegmentList;
  readonly #handles: HandleCache;
  readonly #directory: LogDirectory;

  private constructor(
    directory: LogDirectory,
    segments: SegmentList,
    { compressor = null, takeTurn = null, ...options }: ClosedRewritingOptions,
  ) {
    this.#directory = directory;
    this.segments = segments;
    this.#handles = new HandleCache(directory.fileSystem, 4);
    this.rewriter = new SegmentRewriter({
      log: { logId: 0, segments, handles: this.#handles },
      directory,
      takeTurn,
      space: options.space ?? { refusal: () => Promise.resolve(null) },
      compressor: () => compressor,
    });
  }

  static async open(
    fileSystem: FileSystem,
    options: ClosedRewritingOptions = {},
  ): Promise<ClosedRewriting> {
    const directory = new LogDirectory(fileSystem, LOG_PATH);
    const { segments } = await directory.list();
    return new ClosedRewriting(directory, new SegmentList(segments), options);
  }

  /** Puts what was made in place of what it was made of. */
  async swap({ old, segment, temporaryPath }: Rewritten): Promise<void> {
    await this.#directory.fileSystem.rename(temporaryPath, old.path);
    await this.#directory.sync();
    this.#handles.forget(old.path);
    this.segments.replace(this.segments.all.map((one) => (one === old ? segment : one)));
  }

  close(): Promise<void> {
    return this.#handles.close();
  }
}

export interface Rewriting extends Pick<ClosedRewritingOptions, 'compressor'> {
  /** Which records stay. */
  readonly keeps: (record: BatchCursor) => boolean;
  readonly stamps?: CompactionStamps | null;
}

/** Rewrites one sealed segment of the log in `/data`, which nobody has open. */
export async function rewriteSegment(
  fileSystem: FileSystem,
  baseOffset: number,
  { keeps, stamps = null, compressor = null }: Rewriting,
): Promise<Rewritten> {
  const log = await ClosedRewriting.open(fileSystem, { compressor });
  try {
    const old = log.segments.floor(baseOffset);
    if (old?.baseOffset !== baseOffset) throw new Error(`no segment begins at ${baseOffset}`);
    const filter = { begin: () => undefined, keeps };
    const made = await log.rewriter.rewrite(old, { filter, stamps, pace: unboundPace() });
    await log.swap(made);
    return made;
  } finally {
    await log.close();
  }
}
