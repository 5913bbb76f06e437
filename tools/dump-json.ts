/** A dump for programs: the same events as one JSON document, or one object per line. */
import type { DumpEvent } from '../src/log/segment-dump.ts';
import { kindName } from './dump-text.ts';
import type { DumpWriter } from './dump-text.ts';
import type { Output } from './output.ts';
import { recordToJson } from './record-json.ts';

export interface DumpJsonOptions {
  readonly output: Output;
  /** What was asked for. */
  readonly path: string;
  readonly withRecords: boolean;
}

/** One object per line; the keys are a documented contract. */
export class DumpNdjsonWriter implements DumpWriter {
  readonly #options: DumpJsonOptions;

  constructor(options: DumpJsonOptions) {
    this.#options = options;
  }

  begin(): void {}

  event(file: string, event: DumpEvent): void {
    const { output, withRecords } = this.#options;
    output.write(`${JSON.stringify(toJson(file, event, withRecords))}\n`);
  }

  end(): void {}
}

/** `{"path": ..., "events": [...]}`, written as it comes: a log may be larger than memory. */
export class DumpJsonWriter implements DumpWriter {
  readonly #options: DumpJsonOptions;
  #isFirst = true;

  constructor(options: DumpJsonOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#options.output.write(`{"path":${JSON.stringify(this.#options.path)},"events":[`);
  }

  event(file: string, event: DumpEvent): void {
    const { output, withRecords } = this.#options;
    const separator = this.#isFirst ? '\n' : ',\n';
    this.#isFirst = false;
    output.write(separator + JSON.stringify(toJson(file, event, withRecords)));
  }

  end(): void {
    this.#options.output.write('\n]}\n');
  }
}

function toJson(file: string, event: DumpEvent, withRecords: boolean): object {
  if (event.type === 'segment-header') {
    return { type: event.type, file, sizeBytes: event.sizeBytes, ...event.header };
  }
  if (event.type === 'damage') {
    const { position, kind, firstOffset, nextOffset, reason } = event.details;
    return { type: event.type, file, position, kind, firstOffset, nextOffset, reason };
  }
  const { compression, uncompressedBytes, unavailable, produced, fingerprints, table } = event;
  const batch = {
    type: event.type,
    file,
    ...event.header,
    kind: kindName(event.header),
    compression,
    uncompressedBytes,
    unavailable,
    produced,
    fingerprintCount: fingerprints?.filter((one) => one !== null).length ?? null,
    tableEntryCount: table?.entryCount ?? null,
  };
  return withRecords ? { ...batch, fingerprints, records: event.records.map(recordToJson) } : batch;
}
