/** `varve dump <path>`: batches and headers as they stand on disk, damage included. */
import { basename } from 'node:path';
import { Option } from 'commander';
import { dumpSegment } from '../../src/log/segment-dump.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { DumpJsonWriter, DumpNdjsonWriter } from '../dump-json.ts';
import { DumpTextWriter } from '../dump-text.ts';
import type { DumpWriter } from '../dump-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { LOG_FILES } from '../help-text.ts';
import { checkReadablePath, classifyPath, listSegmentFiles } from '../log-path.ts';
import { PARTITION_OPTION } from '../partition-offsets.ts';
import type { PartitionChoice } from '../record-logs.ts';
import { chooseLogs, onlyLog } from '../store-logs.ts';

interface DumpVerbOptions extends PartitionChoice {
  readonly records?: true;
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `A line for each batch: position in the file, kind, offsets, number of records, size, epoch, append
time, the offset that was synced when it was written, and the checksum; of a compressed one also its
size before. What a batch says of a producer, or of the ids of its records, has a line of its own.
Records that this Node.js cannot decompress are named, and are no damage. Damage is a line too, and
the dump goes on behind it; the exit code is then 4. In a log that a writer is appending to, the
last batch may be half there.`;

export const dumpVerb: Verb<DumpVerbOptions> = {
  description:
    'Print what the segments of a log hold, batch by batch, or one segment file, also a copy far\n' +
    'from its log. Never writes.',
  argument: {
    description: 'a log directory, or one segment file; with --topic the store',
  },
  options: [
    new Option('--records', 'print the records of each batch too'),
    new Option('--topic <name>', 'a topic of a store: the log of a partition'),
    PARTITION_OPTION,
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: 'Safe: it never writes and takes no lock. It shows what was there when it began.',
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: LOG_FILES,
    seeAlso: ['cat', 'verify', 'info'],
    examples: [
      { command: 'varve dump ./numbers', does: 'a line for each batch' },
      {
        command: 'varve dump ./00000000000000000000.log --records',
        does: 'a single copied segment, with its records',
      },
      {
        command: `varve dump ./store --topic orders --partition 0 --ndjson | jq 'select(.type == "damage")'`,
        does: 'the damaged places only, of a partition',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  place: string,
  options: DumpVerbOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const chosen = await chooseLogs(context, place, options);
  const path = chosen === null ? place : onlyLog(chosen, 'a dump').path;
  const files = await segmentPaths(path);
  const writer = chooseWriter(context, path, options);
  let isSound = true;
  writer.begin();
  for (const file of files) {
    for await (const event of dumpSegment(file)) {
      signal.throwIfAborted();
      if (event.type === 'damage') isSound = false;
      writer.event(basename(file), event);
      if (output.isFull) await output.drain();
    }
  }
  writer.end();
  return isSound ? ExitCode.ok : ExitCode.corrupt;
}

async function segmentPaths(path: string): Promise<string[]> {
  if ((await classifyPath(path)) === 'file') return [path];
  await checkReadablePath(path);
  return (await listSegmentFiles(path)).map((segment) => segment.path);
}

function chooseWriter(
  { output, style }: CommandContext,
  path: string,
  options: DumpVerbOptions,
): DumpWriter {
  const withRecords = options.records === true;
  if (options.json === true) return new DumpJsonWriter({ output, path, withRecords });
  if (options.ndjson === true) return new DumpNdjsonWriter({ output, path, withRecords });
  return new DumpTextWriter({ output, style, withRecords });
}
