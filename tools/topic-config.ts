/** Options of the command line that say how the records of a topic are kept. */
import { InvalidArgumentError, Option } from 'commander';
import { COMPRESSION_NAMES } from '../src/format/compression.ts';
import type {
  CompactionConfig,
  CompressionName,
  DedupConfig,
  DurabilityLevel,
  TopicConfig,
  TopicDescription,
  UnfinishedConfig,
} from '../src/index.ts';
import { COMPACTIONS } from '../src/log/compaction-options.ts';
import { DURABILITY_LEVELS } from '../src/log/log-options.ts';
import { DEDUP_BY, DEDUP_SCOPES, UNTIL_SETTLED } from '../src/topic/dedup-options.ts';
import {
  UNFINISHED_POLICIES,
  type ArchiveTopics,
  type UnfinishedPolicy,
} from '../src/topic/unfinished-options.ts';
import { parseCount, parseDurationOption, parseShare } from './ranges.ts';

export function durabilityOption(description: string): Option {
  return new Option('--durability <level>', description).choices(DURABILITY_LEVELS);
}

/** How the records of something new are kept, beside their durability. */
export const KEEPING_OPTIONS: readonly Option[] = [
  new Option('--compression <name>', 'compress batches (default: none)').choices(COMPRESSION_NAMES),
  new Option(
    '--retention <duration>',
    'delete records older than this, such as 7d (default: never)',
  ).argParser(parseDurationOption),
  new Option(
    '--retention-bytes <bytes>',
    'delete the oldest while a partition still holds so much (default: never)',
  ).argParser(parseCount),
  new Option('--segment-bytes <bytes>', 'size at which a new file begins').argParser(parseCount),
];

/** As commander delivers them. */
export interface DedupOptions {
  readonly dedupWindow?: DedupConfig['dedupWindowMs'];
  readonly dedupBy?: DedupConfig['dedupBy'];
  readonly dedupScope?: DedupConfig['dedupScope'];
}

/** What of a topic, or of a queue, is stored once. */
export const DEDUP_OPTIONS: readonly Option[] = [
  new Option(
    '--dedup-window <duration>',
    'how long an id is kept from being stored again, such as 5m; settled: until its record is, in queues',
  ).argParser(orWord(UNTIL_SETTLED, parseDurationOption)),
  new Option('--dedup-by <what>', 'what must not be stored twice').choices(DEDUP_BY),
  new Option('--dedup-scope <scope>', 'where: in all of it, or among records of one key').choices(
    DEDUP_SCOPES,
  ),
];

/** What was given; null when nothing was. */
export function dedupConfigOf(options: DedupOptions): DedupConfig | null {
  const { dedupWindow: dedupWindowMs, dedupBy, dedupScope } = options;
  const config = { dedupWindowMs, dedupBy, dedupScope };
  return Object.values(config).every((value) => value === undefined) ? null : config;
}

/** As commander delivers them. */
export interface LettingGoOptions {
  readonly compaction?: TopicConfig['compaction'];
  readonly compactionLagMin?: number;
  readonly compactionLagMax?: number | 'none';
  readonly compactionShareMin?: number;
  readonly tombstoneRetention?: number;
  readonly unfinished?: UnfinishedPolicy | typeof BY_KIND;
  readonly archiveTo?: string;
}

/** In the place of a policy: that of a queue, or of another topic. */
const BY_KIND = 'default';

/** What of a topic goes before all of it does: by its key, or though somebody needs it. */
export const LETTING_GO_OPTIONS: readonly Option[] = [
  new Option('--compaction <how>', 'key: keep the last record of each key; off: all').choices(
    COMPACTIONS,
  ),
  new Option(
    '--compaction-lag-min <duration>',
    'leave files alone that got a record within this time',
  ).argParser(parseDurationOption),
  new Option(
    '--compaction-lag-max <duration>',
    'compact what is older, however little it is; none: no such time',
  ).argParser(orNone(parseDurationOption)),
  new Option(
    '--compaction-share-min <share>',
    'compact when so much of the bytes is new to it, 0.01 to 1',
  ).argParser(parseShare),
  new Option(
    '--tombstone-retention <duration>',
    'how long a deletion stays, when what it deleted is gone',
  ).argParser(parseDurationOption),
  new Option(
    '--unfinished <what>',
    'when retention meets what a group still needs; default: wait in a queue, else skip',
  ).choices([...UNFINISHED_POLICIES, BY_KIND]),
  new Option('--archive-to <topic>', 'where --unfinished archive copies records; none: nowhere'),
];

/** What of these topics says where records can be archived. */
export function archivesIn(topics: readonly TopicDescription[]): ArchiveTopics {
  const places = new Map(topics.map(({ name, options }) => [name, options]));
  return { at: (name) => places.get(name) ?? null, names: () => places.keys() };
}

/** What was given, and nothing else. */
function lettingGoOf(options: LettingGoOptions): CompactionConfig & UnfinishedConfig {
  const { compaction, compactionLagMax, unfinished, archiveTo } = options;
  return {
    compaction,
    compactionLagMsMin: options.compactionLagMin,
    compactionLagMsMax: compactionLagMax === 'none' ? null : compactionLagMax,
    compactionShareMin: options.compactionShareMin,
    tombstoneRetentionMs: options.tombstoneRetention,
    unfinished: unfinished === BY_KIND ? null : unfinished,
    archiveTo: archiveTo === 'none' ? null : archiveTo,
  };
}

/** As commander delivers them. */
export interface AlterOptions extends DedupOptions, LettingGoOptions {
  readonly durability?: DurabilityLevel;
  readonly compression?: CompressionName;
  readonly compressionLevel?: number;
  readonly retention?: number | 'none';
  readonly retentionBytes?: number | 'none';
  readonly segmentBytes?: number;
  readonly segmentAge?: number | 'none';
  readonly recordBytes?: number;
}

/** What can be changed of a topic that is there. */
export const ALTER_OPTIONS: readonly Option[] = [
  durabilityOption('what a stored record survives'),
  new Option('--compression <name>', 'compress batches from now on').choices(COMPRESSION_NAMES),
  new Option('--compression-level <level>', 'how hard').argParser(parseCount),
  new Option(
    '--retention <duration>',
    'delete records older than this, such as 7d; none: never',
  ).argParser(orNone(parseDurationOption)),
  new Option(
    '--retention-bytes <bytes>',
    'delete the oldest while a partition still holds so much; none: never',
  ).argParser(orNone(parseCount)),
  new Option('--segment-bytes <bytes>', 'size at which a new file begins').argParser(parseCount),
  new Option('--segment-age <duration>', 'age at which a new file begins; none: any').argParser(
    orNone(parseDurationOption),
  ),
  new Option('--record-bytes <bytes>', 'the largest record').argParser(parseCount),
  ...DEDUP_OPTIONS,
  ...LETTING_GO_OPTIONS,
];

/** What was given, and nothing else. */
export function alterationOf(options: AlterOptions): TopicConfig {
  const { durability, compression, compressionLevel } = options;
  const { retention, retentionBytes, segmentAge } = options;
  return {
    durability,
    compression,
    compressionLevel,
    retentionMs: retention === 'none' ? null : retention,
    retentionBytes: retentionBytes === 'none' ? null : retentionBytes,
    segmentBytesMax: options.segmentBytes,
    segmentAgeMsMax: segmentAge === 'none' ? null : segmentAge,
    recordBytesMax: options.recordBytes,
    ...dedupConfigOf(options),
    ...lettingGoOf(options),
  };
}

/** An option that has no value as well. */
export function orNone(parse: (text: string) => number): (text: string) => number | 'none' {
  return orWord('none', parse);
}

function orWord<const W extends string>(
  word: W,
  parse: (text: string) => number,
): (text: string) => number | W {
  return (text) => {
    if (text === word) return word;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new InvalidArgumentError(`${error.message.replace(/\.$/, '')}, or ${word}.`);
    }
  };
}
