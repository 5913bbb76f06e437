/** Findings of `verify` and `dump` as one line each, without the sentences meant for people. */
import { basename } from 'node:path';

import { hex, nextOffsetOf } from '../../../src/format/batch-header.ts';
import { BatchKind } from '../../../src/format/layout.ts';
import type { SegmentHeader } from '../../../src/format/segment-header.ts';
import type { DumpEvent } from '../../../src/log/segment-dump.ts';
import type { VerifyEvent } from '../../../src/log/verify.ts';

/** `0-4, 7`; `none`. */
export function rangesOf(offsets: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const offset of offsets) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === offset) last[1] = offset;
    else ranges.push([offset, offset]);
  }
  const texts = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  return texts.join(', ') || 'none';
}

/** A line of `verify`. */
export function verifyLine(event: VerifyEvent): string {
  if (event.type === 'note') return 'note';
  if (event.type === 'damage') return damageLine(event.details);
  const { file, baseOffset, nextOffset, batchCount, recordCount, sizeBytes } = event;
  const { generation, removedCount } = event;
  const range = `offsets ${baseOffset} to ${nextOffset}`;
  const rewritten = generation === 0 ? '' : `, generation ${generation}, ${removedCount} removed`;
  return `segment ${basename(file)}: ${range}, ${batchCount} batches, ${recordCount} records, ${sizeBytes} bytes${rewritten}`;
}

interface Damage {
  readonly file: string;
  readonly position: number;
  readonly kind: string;
  readonly firstOffset: number | null;
  readonly nextOffset: number | null;
}

function damageLine({ file, position, kind, firstOffset, nextOffset }: Damage): string {
  return `damage ${kind} at ${position} of ${basename(file)}, offsets ${firstOffset ?? '?'} to ${nextOffset ?? '?'}`;
}

const KIND_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(BatchKind).map(([name, kind]) => [kind, name]),
);

type DumpedBatch = DumpEvent & { readonly type: 'batch' };

/** A line of `dump`. */
export function dumpLine(event: DumpEvent): string {
  if (event.type === 'damage') return damageLine(event.details);
  if (event.type === 'segment-header') {
    const { logId, segmentId, baseOffset, previousId, previousEndCrc, epoch } = event.header;
    return `header: log ${logId}, segment ${segmentId}, base ${baseOffset}, previous ${previousId} ending in ${hex(previousEndCrc)}, epoch ${epoch}, ${event.sizeBytes} bytes${rewritingText(event.header)}`;
  }
  const { header, records, compression, uncompressedBytes } = event;
  const { kind, position, sizeBytes, baseOffset, epoch, appendTimeMs, syncedUpTo, crc } = header;
  const range = `offsets ${baseOffset} to ${nextOffsetOf(header)}`;
  const before = compression === 'none' ? '' : ` (${compression} of ${uncompressedBytes ?? '?'})`;
  return `${KIND_NAMES.get(kind) ?? '?'} at ${position}: ${sizeBytes} bytes${before}, ${range}, ${records.length} records, epoch ${epoch}, appended ${appendTimeMs}, synced ${syncedUpTo}, ${hex(crc)}${tagText(event)}`;
}

/** What a header says of a generation; nothing of an original. */
function rewritingText(header: SegmentHeader): string {
  const { generation, endOffset, endCrc, compactedTo, cleanedTimeMs } = header;
  if (generation === 0) return '';
  const { lastAppendTimeMs, recordCount, tombstoneCount } = header;
  const end = `end ${endOffset} in ${hex(endCrc)} at ${lastAppendTimeMs}`;
  const left = `${recordCount ?? '?'} records, ${tombstoneCount ?? '?'} tombstones`;
  return `, generation ${generation}: ${end}, compacted to ${compactedTo}, cleaned at ${cleanedTimeMs}, ${left}`;
}

/** What the batch says of its records; nothing, mostly. */
function tagText({ header, produced, fingerprints, table }: DumpedBatch): string {
  if (table !== null) return `, table of ${table.entryCount}`;
  const { producerId, producerEpoch } = header;
  const runs = produced?.runs.map(({ sequence, index, count }) => `${sequence}+${count}@${index}`);
  const who = `, producer ${producerId} in ${producerEpoch} sent ${String(runs)}`;
  const sent = produced === null ? '' : `${who}, ${produced.confirmed} confirmed`;
  return `${sent}${fingerprints === null ? '' : `, ids ${fingerprints.map(String).join()}`}`;
}
