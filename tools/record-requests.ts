/** Cuts records into requests for the process that has a store open. */
import { KIB } from '../src/core/limits.ts';
import { socketRecordOf, type SocketRecord } from '../src/store/record-verbs.ts';
import type { InputRecord } from './line-appender.ts';

/** Of the records of one request, unless one alone is larger: enough for one sync to pay. */
const REQUEST_BYTES = 768 * KIB;
/** Of a record in JSON beside its bytes, and of a header beside its own. */
const FRAME_BYTES = 64;

/** As many records from `start` on as one request should carry, at least one. */
export function takeRequest(
  records: readonly InputRecord[],
  start: number,
): readonly SocketRecord[] {
  const taken: SocketRecord[] = [];
  let sizeBytes = 0;
  for (let at = start; at < records.length; at++) {
    const record = records[at];
    if (record === undefined) break;
    const encoded = socketRecordOf(record);
    sizeBytes += sizeOf(encoded);
    if (taken.length > 0 && sizeBytes > REQUEST_BYTES) break;
    taken.push(encoded);
  }
  return taken;
}

function sizeOf({ key, value, headers = [], dedupId = '' }: SocketRecord): number {
  const headerBytes = headers.reduce(
    (sum, header) => sum + header.name.length + header.value.length + FRAME_BYTES,
    0,
  );
  const contentBytes = (key?.length ?? 0) + (value?.length ?? 0) + dedupId.length;
  return contentBytes + headerBytes + FRAME_BYTES;
}
