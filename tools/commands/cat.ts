/** `varve cat <dir>`: records of a log to stdout. */
import { Option } from 'commander';
import { CorruptLogError } from '../../src/index.ts';
import type { LogGap, LogRecord, ReadFrom } from '../../src/index.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { compileFormat, FORMAT_HELP } from '../format-string.ts';
import { checkReadablePath } from '../log-path.ts';
import { parseCount, parseFrom, parseSince, toReadOptions } from '../ranges.ts';
import { openInSpiteOfDamage } from '../read-log.ts';
import { compileFilter, FILTER_OPTIONS, type FilterOptions } from '../record-filter.ts';
import { recordToJson } from '../record-json.ts';

interface CatVerbOptions extends FilterOptions {
  readonly format: string;
  readonly json?: true;
  readonly ndjson?: true;
  readonly from?: ReadFrom;
  readonly to?: number;
  readonly since?: number;
  readonly limit?: number;
  readonly onCorruption: 'fail' | 'skip';
}

/** What was appended as lines comes back as the same lines. */
const DEFAULT_FORMAT = String.raw`%v\n`;

const NOTES = `${FORMAT_HELP}

--json prints one object per line: offset, createTimeMs, appendTimeMs, key, headers, value. Bytes
that are not UTF-8 are {"base64": "..."}; varve append --ndjson reads it back.`;

export const catVerb: Verb<CatVerbOptions> = {
  name: 'cat',
  summary: 'print records',
  description: 'Print the records of a log. Never writes; works beside a writer.',
  argument: { name: '<dir>', description: 'the log' },
  options: [
    new Option('-f, --format <text>', 'how a record looks, see below')
      .default(DEFAULT_FORMAT, DEFAULT_FORMAT)
      .conflicts(['json', 'ndjson']),
    new Option('--json', 'print one JSON object per record and line'),
    new Option('--ndjson', 'the same'),
    new Option('--from <offset>', 'start at an offset, earliest, latest, or -N for the last N')
      .argParser(parseFrom)
      .conflicts('since'),
    new Option('--to <offset>', 'stop before this offset').argParser(parseCount),
    new Option('--since <when>', 'start at a create time: 15m ago, or 2026-01-31T12:00Z').argParser(
      (text: string) => parseSince(text, Date.now()),
    ),
    new Option('-n, --limit <count>', 'stop after this many records that are shown').argParser(
      parseCount,
    ),
    ...FILTER_OPTIONS,
    new Option('--on-corruption <action>', 'at damaged data: fail, or skip it and go on')
      .choices(['fail', 'skip'])
      .default('fail'),
  ],
  notes: NOTES,
  examples: [
    { command: 'varve cat ./numbers --from -10', does: 'the values of the last ten records' },
    {
      command: String.raw`varve cat ./users --since 15m --format '%o %t{iso} %k %v\n'`,
      does: 'the last quarter of an hour, with offset, time and key',
    },
    {
      command: 'varve cat ./users --json --from 100 --to 200 --grep nologin | jq .key',
      does: 'those of a range that hold a word, as JSON lines',
    },
  ],
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: CatVerbOptions,
): Promise<ExitCode> {
  const isWanted = compileFilter(options);
  const { limit = Number.POSITIVE_INFINITY, ...range } = options;
  // A limit counts what is shown: with a filter the log cannot know how much to read.
  const readOptions = toReadOptions(isWanted === null ? options : range);
  const printer = new Printer(chooseWriter(context, options), isWanted, limit);
  await checkReadablePath(path);
  const { output, signal } = context;
  const { onCorruption } = options;
  let isWhole = true;
  const report = (message: string): void => {
    isWhole = false;
    context.warn(message);
  };
  const { log, damage } = await openInSpiteOfDamage(path);
  try {
    if (damage !== null && onCorruption === 'fail') throw new CorruptLogError(damage);
    const onGap = (gap: LogGap): void => report(gapLine(gap));
    for await (const batch of log.batches({ ...readOptions, onCorruption, onGap, signal })) {
      if (!printer.print(batch)) break;
      // A batch is above 64 KiB only when it is one record, so this bounds the buffer.
      if (context.isTerminal || output.isFull) await output.drain();
    }
  } finally {
    await log.close();
  }
  return isWhole ? ExitCode.ok : ExitCode.corrupt;
}

function gapLine({ firstOffset, nextOffset, file, position }: LogGap): string {
  const range = `offsets ${firstOffset} to ${nextOffset - 1}`;
  return `skipped ${range}: damaged at byte ${position} of ${file}`;
}

/** Prints what is wanted, until there was enough: the limit counts what is shown. */
class Printer {
  readonly #write: (record: LogRecord<Uint8Array>) => void;
  readonly #isWanted: ((record: LogRecord<Uint8Array>) => boolean) | null;
  #left: number;

  constructor(
    write: (record: LogRecord<Uint8Array>) => void,
    isWanted: ((record: LogRecord<Uint8Array>) => boolean) | null,
    limit: number,
  ) {
    this.#write = write;
    this.#isWanted = isWanted;
    this.#left = limit;
  }

  /** False when no more is wanted. */
  print(batch: Iterable<LogRecord<Uint8Array>>): boolean {
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
  options: CatVerbOptions,
): (record: LogRecord<Uint8Array>) => void {
  if (options.json === true || options.ndjson === true) {
    return (record) => output.write(`${JSON.stringify(recordToJson(record))}\n`);
  }
  const pieces = compileFormat(options.format, { escape: isTerminal });
  return (record) => {
    for (const piece of pieces) output.write(piece(record));
  };
}
