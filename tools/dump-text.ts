/** A dump for people: one line for each batch, aligned enough to read and to grep. */
import { isUtf8 } from 'node:buffer';
import type { LogRecord } from '../src/index.ts';
import { hex, nextOffsetOf } from '../src/format/batch-header.ts';
import type { BatchHeader } from '../src/format/batch-header.ts';
import { BatchKind } from '../src/format/layout.ts';
import type { SegmentHeader } from '../src/format/segment-header.ts';
import type { DumpEvent } from '../src/log/segment-dump.ts';
import { escapeText } from './escape-text.ts';
import type { Output } from './output.ts';
import type { Style } from './style.ts';
import { formatBytes, formatPlural, formatTime } from './units.ts';

/** Where the events of a dump go. */
export interface DumpWriter {
  begin(): void;
  /** @param file  name of the segment file */
  event(file: string, event: DumpEvent): void;
  end(): void;
}

export interface DumpTextOptions {
  readonly output: Output;
  readonly style: Style;
  readonly withRecords: boolean;
}

const KIND_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(BatchKind).map(([name, kind]) => [kind, name]),
);

/** `data`, `gap`, `journal` or `index`. */
export function kindName(header: BatchHeader): string {
  return KIND_NAMES.get(header.kind) ?? `kind ${String(header.kind)}`;
}

export class DumpTextWriter implements DumpWriter {
  readonly #options: DumpTextOptions;

  constructor(options: DumpTextOptions) {
    this.#options = options;
  }

  begin(): void {}

  event(file: string, event: DumpEvent): void {
    const { output, style, withRecords } = this.#options;
    if (event.type === 'segment-header') {
      output.write(`${style('bold', escapeText(file))}  ${segmentLine(event)}\n`);
    } else if (event.type === 'damage') {
      const { position, kind, firstOffset, reason } = event.details;
      const at = firstOffset === null ? '' : `, from offset ${firstOffset}`;
      const line = `${pad(position)}  damaged ${kind}${at}: ${escapeText(reason)}`;
      output.write(`${style('red', `${escapeText(file)}${line}`)}\n`);
    } else {
      output.write(`${batchLine(event)}\n`);
      for (const line of tagLines(event)) output.write(`${INDENT}  ${line}\n`);
      if (event.unavailable !== null)
        output.write(`${INDENT}  no records shown: ${event.unavailable}\n`);
      if (withRecords) for (const record of event.records) output.write(`${recordLine(record)}\n`);
    }
  }

  end(): void {}
}

function segmentLine(event: {
  readonly header: SegmentHeader;
  readonly sizeBytes: number;
}): string {
  const { header, sizeBytes } = event;
  const { logId, segmentId, generation, baseOffset, previousId, epoch, createdTimeMs } = header;
  const previous = previousId === 0 ? 'none' : String(previousId);
  return (
    `${formatBytes(sizeBytes)}, base offset ${baseOffset}, epoch ${epoch}, ` +
    `created ${formatTime(createdTimeMs)}, log ${logId}, segment ${segmentId}, ` +
    `previous ${previous}, generation ${generation}${rewritingOf(header)}`
  );
}

/** What was done to a segment that was rewritten; nothing of an original. */
function rewritingOf(header: SegmentHeader): string {
  const { generation, endOffset, compactedTo, cleanedTimeMs } = header;
  if (generation === 0) return '';
  const { recordCount, tombstoneCount } = header;
  const records = recordCount === null ? 'records unknown' : formatPlural(recordCount, 'record');
  const tombstones =
    tombstoneCount === null ? '' : ` with ${formatPlural(tombstoneCount, 'tombstone')}`;
  const compared = compactedTo === 0 ? 'never' : `below ${compactedTo}`;
  const cleaned = cleanedTimeMs === 0 ? '' : `, clean since ${formatTime(cleanedTimeMs)}`;
  return `: ends at ${endOffset}, ${records}${tombstones}, keys compared ${compared}${cleaned}`;
}

type DumpedBatch = DumpEvent & { readonly type: 'batch' };

/** Sequences with gaps make many runs. */
const SEQUENCES_SHOWN = 5;

function batchLine(event: DumpedBatch): string {
  const { header, compression, uncompressedBytes } = event;
  const { position, baseOffset, recordCount, sizeBytes, epoch, appendTimeMs, syncedUpTo } = header;
  const lastOffset = nextOffsetOf(header) - 1;
  const offsets = lastOffset < baseOffset ? 'no offsets' : `offsets ${baseOffset} to ${lastOffset}`;
  const before = compression === 'none' ? '' : ` (${compression} of ${uncompressedBytes ?? '?'})`;
  return (
    `${pad(position)}  ${kindName(header).padEnd(7)}  ${offsets.padEnd(24)}  ` +
    `records ${recordCount}${removedOf(header)}  bytes ${sizeBytes}${before}  epoch ${epoch}  ` +
    `append ${formatTime(appendTimeMs)}  synced below ${syncedUpTo}  crc ${hex(header.crc)}`
  );
}

/** ` (7 compacted away)`; nothing where each offset has its record, and of those that never had one. */
function removedOf({ kind, recordCount, lastOffsetDelta }: BatchHeader): string {
  const removedCount = kind === BatchKind.data ? lastOffsetDelta + 1 - recordCount : 0;
  return removedCount === 0 ? '' : ` (${removedCount} compacted away)`;
}

/** What the batch says of its records, or of those of its segment. */
function* tagLines(event: DumpedBatch): Generator<string, void, void> {
  const { header, produced, fingerprints, table } = event;
  if (table !== null) yield `table of ids ${table.entryCount}`;
  if (produced !== null) {
    const { producerId, producerEpoch, confirmed, runs } = produced;
    const sequences = runs.map(({ sequence, count }) =>
      count === 1 ? String(sequence) : `${sequence} to ${sequence + count - 1}`,
    );
    const shown = sequences.slice(0, SEQUENCES_SHOWN).join(', ');
    const more = sequences.length > SEQUENCES_SHOWN ? ', and more' : '';
    yield `producer ${producerId}  epoch ${producerEpoch}  sequences ${shown}${more}  confirmed below ${confirmed}`;
  }
  if (fingerprints !== null) {
    const count = fingerprints.filter((one) => one !== null).length;
    yield `ids ${count} of ${header.recordCount}`;
  }
}

function recordLine(record: LogRecord<Uint8Array>): string {
  const { offset, createTimeMs, headers } = record;
  const pairs = Array.from(headers, ([name, value]) => `${escapeText(name)}=${show(value)}`);
  const headersText = pairs.length === 0 ? '' : `  headers ${pairs.join(',')}`;
  const time = formatTime(createTimeMs);
  const key = show(record.keyView());
  return `${INDENT}  ${offset}  ${time}  key ${key}  value ${show(record.valueView())}${headersText}`;
}

/** Text in quotes, with controls escaped; other bytes as hex; null as null. */
function show(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer)
    ? `"${escapeText(buffer.toString('utf8'))}"`
    : `0x${buffer.toString('hex')}`;
}

/** A position below 1 GiB has ten digits. */
const POSITION_WIDTH = 10;
const INDENT = ' '.repeat(POSITION_WIDTH);

function pad(position: number): string {
  return String(position).padStart(POSITION_WIDTH);
}
