/** Reading a journal: where its snapshot runs stand, and the entries behind one. */
import { CorruptLogError, UnsupportedVersionError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
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

/** All entries from `from` on. @throws CorruptLogError, UnsupportedVersionError; as `Log.batches` */
export async function* readEntries(
  log: Log<Uint8Array>,
  registry: EntryRegistry,
  from: number,
): AsyncGenerator<PlacedEntry, void, void> {
  for await (const batch of log.batches({ from })) {
    for (const record of batch) {
      const bytes = record.valueView() ?? new Uint8Array();
      const { offset } = record;
      yield { offset, sizeBytes: bytes.length, entry: decode(bytes, { registry, log, offset }) };
    }
  }
}

/** Every complete run, oldest first. Looks at the first byte of other entries alone. */
export async function findRuns(
  log: Log<Uint8Array>,
  registry: EntryRegistry,
): Promise<CompleteRun[]> {
  const runs: CompleteRun[] = [];
  for await (const batch of log.batches()) {
    for (const record of batch) {
      const bytes = record.valueView();
      if (bytes?.[0] !== runEnd.kind) continue;
      const { offset } = record;
      const end = entryOf(runEnd, decode(bytes, { registry, log, offset }));
      // What lies before the start of the journal is not there any more.
      if (end !== null && end.beginOffset >= log.startOffset) {
        runs.push({ ...end, endOffset: offset + 1 });
      }
    }
  }
  return runs;
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

function decode(bytes: Uint8Array, { registry, log, offset }: DecodePlace): ReadEntry {
  try {
    return registry.decode(bytes);
  } catch (cause) {
    throw badEntry(log.path, offset, cause);
  }
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
