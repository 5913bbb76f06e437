/** Which records of a segment stay when it is rewritten. */
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { Segment } from '../segment/segment.ts';

export interface RecordFilter {
  /** The records of a segment follow, whose header is known and which ends at `end`. */
  begin(segment: Segment, end: number): void;
  /** Asked of each record once, in the order of offsets; says the same whenever it is asked. */
  keeps(record: BatchCursor): boolean;
}
