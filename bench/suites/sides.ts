/** Sides that several suites have: the machine's own rates, and sizes to compare them with. */
import { encodedRecordBytes } from '../../src/format/batch-encoder.ts';
import type { Side } from '../core/contest.ts';
import type { AppendParameters } from '../jobs/append.ts';
import { KEY_BYTES } from '../jobs/records.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** For sides that read: they write no file, but take and give back buffers. */
export const READ_WARM_BYTES = 64 * MIB;

/** For sides that write record by record, or page by page: at most so many bytes in a run. */
export const SINGLE_WARM_BYTES = 128 * MIB;

/** Values of the suites: small enough that a record costs, and large enough that a byte does. */
export const VALUE_SIZES = [100, KIB] as const;

/** Record counts are a multiple of this, so that every call shape divides them. */
const RECORDS_STEP = 10_000;

/** How many records fill so many bytes, within one step (at most 2 % of what the suites write). */
export function recordsIn(bytes: number, valueBytes: number, step = RECORDS_STEP): number {
  const recordBytes = encodedRecordBytes(KEY_BYTES, null, null) + valueBytes;
  return Math.floor(bytes / recordBytes / step) * step;
}

/** `100 B`, `1 KiB` */
export function sizeName(valueBytes: number): string {
  return valueBytes < KIB ? `${valueBytes} B` : `${valueBytes / KIB} KiB`;
}

/** What several suites append, the most common way to be fast: `appendBatch(1000)`, 16 in flight. */
export function appendBatches(
  load: Pick<AppendParameters, 'durability' | 'valueBytes' | 'records'>,
): Required<AppendParameters> {
  return { ...load, call: 'appendBatch', recordsPerCall: 1000, callsInFlight: 16, keys: 'string' };
}

type RatedSide = Omit<Side, 'metric' | 'unit' | 'isHigherBetter'>;

/** A side that is compared by its bytes per second. */
export function byteRate(side: RatedSide): Side {
  return { ...side, metric: 'bytes/s', unit: 'bytes/s', isHigherBetter: true };
}

/** A side that is compared by what it counts, per second. */
export function countRate(side: RatedSide & { readonly unit: string }): Side {
  return { ...side, metric: 'records/s', isHigherBetter: true };
}

/** *W*, or *D* with `sync`. */
export function machineWrite(bytes: number, sync: boolean): Side {
  return byteRate({
    id: sync ? 'D' : 'W',
    title: sync ? 'D: 1 MiB writes, fdatasync after each' : 'W: 1 MiB writes',
    job: 'machine-write',
    parameters: { bytes, sync },
    warmBytes: bytes,
  });
}

/** *F* */
export function machineSync(syncs: number): Side {
  return countRate({
    id: 'F',
    title: 'F: 4 KiB writes, fdatasync after each',
    job: 'machine-sync',
    parameters: { syncs },
    unit: 'syncs/s',
    warmBytes: SINGLE_WARM_BYTES,
  });
}

/** *R* */
export function machineRead(bytes: number): Side {
  return byteRate({
    id: 'R',
    title: 'R: 1 MiB reads and their CRC',
    job: 'machine-read',
    parameters: { bytes },
    warmBytes: READ_WARM_BYTES,
  });
}
