/** What a call of a producer is answered, when its records are stored: those that it brought, and those before. */
import type { DurabilityLevel } from '../log/log-options.ts';
import type { CallSequences } from './call-sequences.ts';
import type { RecordPlace } from './producer-places.ts';
import type { ProducerSequencer } from './producer-sequencer.ts';
import type { SequenceSpan } from './sequence-set.ts';
import { recordsIn, settleParts, storedInPart } from './settle-parts.ts';
import type { DuplicateRecord, PlacedRecords } from './topic-results.ts';

export interface ProducedAnswer {
  /** Of the records that were appended. */
  readonly placements: readonly PlacedRecords[];
  /** Of the first record, also of an earlier call; null = not known any more. */
  readonly place: RecordPlace | null;
  readonly duplicateCount: number;
  /** Those of which it is known where they are, ascending. */
  readonly duplicates: readonly DuplicateRecord[];
  readonly sequences: CallSequences;
  readonly durability: DurabilityLevel;
}

/** Records of a call that were stored before. */
interface StoredBefore {
  /** They are in there; null = there is none. */
  readonly stored: SequenceSpan | null;
  readonly duplicateCount: number;
  readonly duplicates: readonly DuplicateRecord[];
}

/** A call whose records stand in their logs, on their way to the disk. */
export interface Taken extends StoredBefore {
  readonly sequences: CallSequences;
  readonly parts: readonly Promise<PlacedRecords>[];
}

export const NOTHING_STORED: StoredBefore = { stored: null, duplicateCount: 0, duplicates: [] };

/** Before anything of the call is on its way. */
export function storedBefore(
  sequencer: ProducerSequencer,
  sequences: CallSequences,
  freshCount: number,
): StoredBefore {
  const { first, last, count } = sequences;
  if (freshCount === count || last === null) return NOTHING_STORED;
  const duplicates = sequencer.placesOf(sequences);
  return { stored: { first, last }, duplicateCount: count - freshCount, duplicates };
}

/** Waits for all of it. @throws as `settleParts`, as `Log.sync` */
export async function answerOf(
  { sequences, stored, duplicateCount, duplicates, parts }: Taken,
  { progress, table }: ProducerSequencer,
  durability: DurabilityLevel,
): Promise<ProducedAnswer> {
  const before = progress.placeOf(sequences.first);
  const placements = await settleParts(parts);
  const isWritten = table.partitions.settings.durability === 'os';
  // What is stored may have less than that.
  if (stored !== null && (durability === 'sync' || (durability === 'interval' && isWritten))) {
    await table.sync(progress, stored).catch((error: unknown) => {
      throw storedInPart(error, recordsIn(placements));
    });
  }
  const place = placeOf(placements) ?? before;
  return { placements, place, duplicateCount, duplicates, sequences, durability };
}

function placeOf([first]: readonly PlacedRecords[]): RecordPlace | null {
  return first === undefined ? null : { partition: first.partition, offset: first.baseOffset };
}
