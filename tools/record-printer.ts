/** How `cat` and `tail` show records: the format options, and the printer behind them. */
import { Option } from 'commander';
import type { LogRecord } from '../src/index.ts';
import type { CommandContext } from './command.ts';
import { compileFormat, FORMAT_HELP } from './format-string.ts';
import { recordToJson } from './record-json.ts';

/** Options as commander delivers them. */
export interface PrintOptions {
  readonly format: string;
  readonly json?: true;
  readonly ndjson?: true;
  /** Of which the records are, when they are of one. */
  readonly topic?: string;
}

type StoredRecord = LogRecord<Uint8Array>;
/** Whether a record is wanted; null when every one is. */
export type RecordFilter = ((record: StoredRecord) => boolean) | null;

/** What was appended as lines comes back as the same lines. */
const DEFAULT_FORMAT = String.raw`%v\n`;

export const PRINT_NOTES = `${FORMAT_HELP}

--json prints one object per line: offset, createTimeMs, appendTimeMs, key, headers, value. Bytes
that are not UTF-8 are {"base64": "..."}; varve append --ndjson reads it back. Of a topic, the partition
comes first. A record that was routed here, died, or was driven back has "cause", the record before:
its kind ("projected", "dead-letter" or "redriven") and its place.`;

/** @param formatFlags  `--format`, with a short form where that is free */
export function printOptions(formatFlags: string): readonly Option[] {
  return [
    new Option(formatFlags, 'how a record looks, see below')
      .default(DEFAULT_FORMAT, DEFAULT_FORMAT)
      .conflicts(['json', 'ndjson']),
    new Option('--json', 'print one JSON object per record and line'),
    new Option('--ndjson', 'the same'),
  ];
}

/** Prints what is wanted, until there was enough: the limit counts what is shown. */
export class RecordPrinter {
  readonly #write: (record: StoredRecord) => void;
  readonly #isWanted: RecordFilter;
  #left: number;

  constructor(
    context: CommandContext,
    options: PrintOptions,
    choice: { readonly isWanted: RecordFilter; readonly limit: number },
  ) {
    this.#write = chooseWriter(context, options);
    this.#isWanted = choice.isWanted;
    this.#left = choice.limit;
  }

  /** False when no more is wanted. */
  print(batch: Iterable<StoredRecord>): boolean {
    for (const record of batch) {
      if (this.#left === 0) return false;
      if (this.#isWanted !== null && !this.#isWanted(record)) continue;
      this.#write(record);
      this.#left--;
    }
    return this.#left > 0;
  }
}

/** Returns a function that writes one record to the output. */
function chooseWriter(
  { output, isTerminal }: CommandContext,
  options: PrintOptions,
): (record: StoredRecord) => void {
  if (options.json === true || options.ndjson === true) {
    const isOfTopic = options.topic !== undefined;
    return (record) => {
      const place = isOfTopic ? { partition: record.partition } : {};
      const { cause } = record;
      const made = cause === null ? {} : { cause };
      output.write(`${JSON.stringify({ ...place, ...recordToJson(record), ...made })}\n`);
    };
  }
  const pieces = compileFormat(options.format, { escape: isTerminal });
  return (record) => {
    for (const piece of pieces) output.write(piece(record));
  };
}
