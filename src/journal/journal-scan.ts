/** Reading a journal: where its snapshot runs stand, and the entries behind one. */
import { CorruptLogError, UnsupportedVersionError } from '../core/errors.ts';
import type { LogCursor } from '../log/log-cursor.ts';
import type { Log } from '../log/log.ts';
import type { ReadOptions } from '../log/read-options.ts';
import type { LogGap } from '../log/recovery-report.ts';
import { BadEntryError } from './entry-bytes.ts';
import { entryOf, NewerEntryError, type EntryRegistry, type ReadEntry } from './entry-type.ts';
import type { StatePart } from './fold.ts';
import { runEnd, runPart, type RunEnd, type RunPart } from './snapshot-entries.ts';

/** An entry with its place. */
export interface PlacedEntry {
  readonly offset: number;
  /** Encoded. */
  readonly sizeBytes: number;
  readonly entry: ReadEntry;
}

/** A run that is whole. */
export interface CompleteRun extends RunEnd {
  /** Of its end entry. */
  readonly endOffset: number;
}

export interface EntryScan {
  readonly log: Log<Uint8Array>;
  readonly registry: EntryRegistry;
  readonly from: number;
  /** Default the end. */
  readonly to?: number;
  /** Called for entries that nobody can read: damage, a gap, bytes that are no entry. May throw. */
  readonly onLost: (damage: CorruptLogError) => void;
}

/**
 * Visits the entries in order. Damage in front of `from`, in the same file, does no harm.
 *
 * A callback and a cursor, for entries may be very many, each a batch of its own: a step of an
 * asynchronous iteration costs more than most entries do.
 *
 * @throws UnsupportedVersionError; as `Log.batches`, `visit`
 */
export async function eachEntry(
  scan: EntryScan,
  visit: (placed: PlacedEntry) => void,
): Promise<void> {
  const { log, registry, from, to = log.visibleOffset, onLost } = scan;
  let expected = from;
  let gap: LogGap | null = null;
  const onGap = (passed: LogGap): void => {
    gap = passed;
  };
  const lostTo = (offset: number): void => {
    if (offset > expected)
      onLost(lostEntries(log.path, { firstOffset: expected, nextOffset: offset, gap }));
  };
  await eachRecord(log, { from, to, onCorruption: 'skip', onGap }, (cursor) => {
    const { offset } = cursor;
    lostTo(offset);
    expected = offset + 1;
    const bytes = cursor.valueView() ?? new Uint8Array();
    const entry = decode(bytes, { registry, log, offset });
    if (entry instanceof CorruptLogError) onLost(entry);
    else visit({ offset, sizeBytes: bytes.length, entry });
  });
  lostTo(to);
}

/**
 * Every complete run, oldest first. Looks at the first byte of other entries alone, and passes over
 * damage: what lies before the newest run is not needed.
 */
export async function findRuns(
  log: Log<Uint8Array>,
  registry: EntryRegistry,
): Promise<CompleteRun[]> {
  const runs: CompleteRun[] = [];
  await eachRecord(log, { onCorruption: 'skip' }, (cursor) => {
    if (cursor.valueBytes < 1 || cursor.bytes[cursor.valueStart] !== runEnd.kind) return;
    const { offset } = cursor;
    const entry = decode(cursor.valueView() ?? new Uint8Array(), { registry, log, offset });
    if (entry instanceof CorruptLogError) return; // Whoever folds over it is told.
    const end = entryOf(runEnd, entry);
    // What lies before the start of the journal is not there any more.
    if (end !== null && end.beginOffset >= log.startOffset) {
      runs.push({ ...end, endOffset: offset + 1 });
    }
  });
  return runs;
}

/** Views of the cursor are good until `visit` returns. */
async function eachRecord(
  log: Log<Uint8Array>,
  range: ReadOptions,
  visit: (cursor: LogCursor) => void,
): Promise<void> {
  const cursor = log.cursor(range);
  try {
    while (await cursor.nextBatch()) while (cursor.next()) visit(cursor);
  } finally {
    await cursor.close();
  }
}

/** Puts the pieces of a run together. */
export class RunReader {
  readonly #run: CompleteRun;
  #pieces: RunPart[] = [];
  #pieceCount = 0;

  constructor(run: CompleteRun) {
    this.#run = run;
  }

  /** @returns an instance, when the entry is the last piece of one */
  add(entry: ReadEntry): StatePart | null {
    const piece = entryOf(runPart, entry);
    if (piece === null || piece.run !== this.#run.run) return null;
    this.#pieceCount++;
    this.#pieces.push(piece);
    if (!piece.isLast) return null;
    const { reducer, id, from } = piece;
    const state = Buffer.concat(this.#pieces.map((each) => each.state));
    this.#pieces = [];
    return { reducer, id, from, state };
  }

  /** @throws BadEntryError unless all pieces were there */
  end(): void {
    const { pieceCount } = this.#run;
    if (this.#pieceCount === pieceCount && this.#pieces.length === 0) return;
    throw new BadEntryError(`a run has ${this.#pieceCount} of ${pieceCount} pieces`);
  }
}

interface DecodePlace {
  readonly registry: EntryRegistry;
  readonly log: Log<Uint8Array>;
  readonly offset: number;
}

/** The entry, or the damage in its place. @throws UnsupportedVersionError */
function decode(
  bytes: Uint8Array,
  { registry, log, offset }: DecodePlace,
): ReadEntry | CorruptLogError {
  try {
    return registry.decode(bytes);
  } catch (cause) {
    const error = badEntry(log.path, offset, cause);
    if (error instanceof CorruptLogError) return error;
    throw error;
  }
}

export interface LostEntries {
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** Where reading met it last. */
  readonly gap: LogGap | null;
}

/** Any of them may have been a change that others build on. */
export function lostEntries(path: string, lost: LostEntries): CorruptLogError {
  const { firstOffset, nextOffset, gap } = lost;
  const { file, position } = gap ?? { file: path, position: 0 };
  const reason = 'entries of the journal are damaged, or lost in a gap';
  return new CorruptLogError({ file, position, kind: 'record', firstOffset, nextOffset, reason });
}

/**
 * Damage, when the checksum was right and the entry is not; no damage, when a newer Varve wrote it;
 * anything else as it is.
 */
export function badEntry(file: string, offset: number, cause: unknown): unknown {
  if (cause instanceof NewerEntryError) {
    const { found, supported } = cause;
    return new UnsupportedVersionError({ file, found, supported }, { cause });
  }
  if (!(cause instanceof BadEntryError)) return cause;
  const reason = `the journal entry at offset ${offset}: ${cause.message}`;
  const range = { firstOffset: offset, nextOffset: offset + 1 };
  return new CorruptLogError({ file, position: 0, kind: 'record', ...range, reason }, { cause });
}
