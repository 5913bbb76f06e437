/** Values of the command line, or lines of stdin, as records: what verbs take that send them. */
import { Option } from 'commander';
import { appendInput, appendValues } from './append-input.ts';
import type { CommandContext } from './command.ts';
import { UsageError } from './command-error.ts';
import type { DuplicateTally } from './duplicate-tally.ts';
import { LineAppender, manyWithOneId, type LineOptions, type RecordSink } from './line-appender.ts';
import { parseHeader, type HeaderOption } from './record-headers.ts';
import { noteDoubtful } from './topic-sink.ts';

export const VALUES_ARGUMENT = { description: 'one record each (default: the lines of stdin)' };

export const KEY_SEPARATOR_OPTION = new Option(
  '-K, --key-separator <text>',
  'what stands before its first occurrence in a line is the key',
).conflicts('ndjson');

export const HEADER_OPTION = new Option(
  '-H, --header <name=value>',
  'of every record; as often as you like',
).argParser(parseHeader);

/** As commander delivers them. */
export interface ValueOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly header?: HeaderOption;
  readonly dedupId?: string;
  readonly ndjson?: true;
}

/** @throws UsageError for what does not go together */
export function valueLinesOf(
  { key, keySeparator, header: headers, dedupId, ndjson }: ValueOptions,
  values: readonly string[],
): LineOptions {
  if (keySeparator === '') throw new UsageError('--key-separator must not be empty');
  if (values.length > 0 && (ndjson !== undefined || keySeparator !== undefined)) {
    throw new UsageError('--ndjson and --key-separator are for lines of stdin, not for values');
  }
  if (dedupId !== undefined && values.length > 1) throw manyWithOneId();
  return {
    ...(ndjson === undefined ? {} : { ndjson }),
    ...(keySeparator === undefined ? {} : { keySeparator }),
    common: {
      key: key ?? null,
      headers: headers ?? null,
      ...(dedupId === undefined ? {} : { dedupId }),
    },
  };
}

/** The sink of a store, which may not know what became of what it was given last. */
export interface StoreSink extends RecordSink {
  readonly doubtfulCount: number;
  readonly duplicates: DuplicateTally;
}

/** Appends values, or all of stdin when there are none. */
export async function appendAll(
  context: CommandContext,
  sink: StoreSink,
  lines: LineOptions,
  values: readonly string[] = [],
): Promise<void> {
  const appender = new LineAppender(sink);
  try {
    if (values.length > 0) await appendValues(appender, values, lines);
    else await appendInput(context, appender, lines);
  } catch (error) {
    sink.duplicates.noteTo(context);
    noteDoubtful(context, sink);
    throw error;
  }
}
