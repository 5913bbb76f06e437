/** Compares the stored tables of a segment with those that its batches make, for `verify`. */
import type { CorruptLogDetails } from '../core/errors.ts';
import { checksum } from '../format/checksum.ts';
import { emptyBatchHeader } from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { encodeDedupTable } from '../format/dedup-table-batch.ts';
import { TableKind, type TablePlace } from '../format/index-tables.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { DedupTableColumns } from '../segment/dedup-columns.ts';
import type { SegmentScanner } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';

/** All of a table but its header, which says when and where it was written. */
interface TableContent {
  readonly sizeBytes: number;
  readonly checksum: number;
}

/** Of one segment. Memory: one table. */
export class TableCheck {
  readonly #segment: Segment;
  readonly #columns: DedupTableColumns;
  readonly #expected: TableContent[] = [];
  readonly #found: TablePlace[] = [];
  #isComparable = true;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#columns = new DedupTableColumns(segment.baseOffset);
  }

  /** Those that were found so far. */
  get found(): readonly TablePlace[] {
    return this.#found;
  }

  /** What its batches say cannot be told any more: no table can be compared. */
  giveUp(): void {
    this.#isComparable = false;
  }

  /** The next batch of the segment. @throws CorruptLogError when its extension block says what cannot be */
  add(batch: VerifiedBatch): void {
    if (!this.#isComparable) return;
    if (this.#columns.isFull) this.#cut();
    this.#columns.add(batch);
    this.#isComparable = this.#columns.isFit;
  }

  /** Why the table on which `scanner` stands is not the next of those that the batches make; null when it is. */
  problem(scanner: SegmentScanner): CorruptLogDetails | null {
    if (this.#isComparable && !this.#columns.isEmpty) this.#cut();
    const { bytes, start, position, header } = scanner;
    const { sizeBytes, crc } = header;
    const expected = this.#expected[this.#found.length];
    const content = checksum(bytes, start + BATCH_HEADER_BYTES, start + sizeBytes);
    const isSame = expected?.sizeBytes === sizeBytes && expected.checksum === content;
    const isRight = isSame || !this.#isComparable;
    this.#found.push({ kind: TableKind.dedup, position, sizeBytes, crc });
    return isRight ? null : tableDamage(this.#segment, position);
  }

  /** Whether the tables that were found are all that the batches make, or none. */
  get isComplete(): boolean {
    const { length } = this.#found;
    return length === 0 || length === this.#expected.length || !this.#isComparable;
  }

  #cut(): void {
    const bytes = encodeDedupTable(this.#columns, emptyBatchHeader());
    const content = checksum(bytes, BATCH_HEADER_BYTES, bytes.length);
    this.#expected.push({ sizeBytes: bytes.length, checksum: content });
    this.#columns.clear();
  }
}

/** All records are there: it is left out by a repair, and until then by readers. */
function tableDamage({ path: file }: Segment, position: number): CorruptLogDetails {
  const reason = 'the table of fingerprints is not the one that the batches make';
  return { file, position, kind: 'index', firstOffset: null, nextOffset: null, reason };
}
