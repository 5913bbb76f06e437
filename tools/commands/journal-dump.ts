/** `varve journal dump <store>`: every change of a store's state, entry by entry. */
import { Option } from 'commander';
import type { RecordBatch } from '../../src/index.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { entryLine, entryToJson, readEntry, type EntryContent } from '../journal-entry.ts';
import type { Output } from '../output.ts';
import { parseCount, RANGE_OPTIONS, toReadOptions, type RangeOptions } from '../ranges.ts';
import { GapReporter, openInSpiteOfDamage, type DamageOptions } from '../read-log.ts';
import { BESIDE_STORE, journalPath, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';
import { formatTime } from '../units.ts';

interface JournalDumpOptions extends RangeOptions, DamageOptions {
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `A line for each entry: offset, append time, kind, fields; --json and --ndjson have all bytes too. Entries of
a commit stand below it. One of a kind, or of a version, that this varve does not know is printed as
"unknown" or by its name, with its bytes: a newer varve wrote it.`;

export const journalDumpVerb: Verb<JournalDumpOptions> = {
  description:
    'Print every change of the state of a store that its journal still holds. Works on a damaged one,\n' +
    'up to the damage, and where the store does not open.',
  argument: STORE_ARGUMENT,
  options: [
    ...RANGE_OPTIONS,
    new Option('-n, --limit <count>', 'stop after this many entries (default: all)').argParser(
      parseCount,
    ),
    new Option(
      '--on-corruption <action>',
      'at damaged data: fail there, or skip it, say so, and go on',
    )
      .choices(['fail', 'skip'])
      .default('fail'),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: BESIDE_STORE,
    exitCodes: {
      0: true,
      1: true,
      2: true,
      3: true,
      4: 'Damage was met: it stopped there, or skipped it; stderr says which entries.',
      130: true,
    },
    files: STORE_FILES,
    seeAlso: ['dump', 'verify', 'topics ls', 'groups ls'],
    examples: [
      { command: 'varve journal dump ./store --from -20', does: 'the last twenty entries' },
      {
        command: `varve journal dump ./store --ndjson | jq -r .name | sort | uniq -c`,
        does: 'how many of each kind',
      },
      {
        command: `varve journal dump ./store --ndjson | jq 'select(.fields.group == "billing")'`,
        does: 'everything that happened to a consumer group',
      },
    ],
  },
  run,
};

/** An entry with its place. */
interface DumpedEntry {
  readonly offset: number;
  readonly appendTimeMs: number;
  readonly content: EntryContent;
}

async function run(
  context: CommandContext,
  path: string,
  options: JournalDumpOptions,
): Promise<ExitCode> {
  const read = toReadOptions(options);
  const { log } = await openInSpiteOfDamage(await journalPath(path));
  const gaps = new GapReporter(context, options);
  const printer = new EntryPrinter(context.output, path, options);
  const { output, isTerminal, signal } = context;
  printer.begin();
  try {
    for await (const batch of log.batches({ ...read, ...gaps.readOptions, signal })) {
      printer.print(batch);
      if (isTerminal || output.isFull) await output.drain();
    }
  } finally {
    printer.end(); // What was read before damage is a document, too.
    await log.close();
  }
  return printer.isSound && gaps.isWhole ? ExitCode.ok : ExitCode.corrupt;
}

class EntryPrinter {
  /** Whether every entry was one. */
  isSound = true;
  readonly #output: Output;
  readonly #path: string;
  readonly #isDocument: boolean;
  readonly #isText: boolean;
  #separator = '\n';

  constructor(output: Output, path: string, { json, ndjson }: JournalDumpOptions) {
    this.#output = output;
    this.#path = path;
    this.#isDocument = json === true;
    this.#isText = json !== true && ndjson !== true;
  }

  begin(): void {
    if (!this.#isDocument) return;
    this.#output.write(`{"path":${JSON.stringify(this.#path)},"entries":[`);
  }

  print(batch: RecordBatch<Uint8Array>): void {
    for (const entry of entriesOf(batch)) {
      if (entry.content.isDamaged === true) this.isSound = false;
      this.#output.write(this.#line(entry));
      this.#separator = ',\n';
    }
  }

  end(): void {
    if (this.#isDocument) this.#output.write('\n]}\n');
  }

  #line(entry: DumpedEntry): string {
    if (this.#isText) return textOf(entry);
    return this.#isDocument ? `${this.#separator}${jsonOf(entry)}` : `${jsonOf(entry)}\n`;
  }
}

function* entriesOf(batch: RecordBatch<Uint8Array>): Generator<DumpedEntry, void, void> {
  for (const record of batch) {
    const { offset, appendTimeMs } = record;
    yield { offset, appendTimeMs, content: readEntry(record.valueView() ?? new Uint8Array()) };
  }
}

function jsonOf({ offset, appendTimeMs, content }: DumpedEntry): string {
  return JSON.stringify({ offset, appendTimeMs, ...entryToJson(content) });
}

const OFFSET_WIDTH = 10;

function textOf({ offset, appendTimeMs, content }: DumpedEntry): string {
  const place = `${String(offset).padStart(OFFSET_WIDTH)}  ${formatTime(appendTimeMs)}  `;
  return `${place}${entryLine(content)}\n`;
}
