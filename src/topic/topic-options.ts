/** What `store.topic` accepts: what the journal keeps of it, and what a handle alone needs. */
import { argumentError, checkInteger } from '../core/assert.ts';
import { ConflictError } from '../core/errors.ts';
import { plainOptions } from '../core/options.ts';
import { checkCodec, type Codec } from '../codec/codec.ts';
import { newCompactionSettings, type CompactionConfig } from '../log/compaction-options.ts';
import { resolveLogOptions, type LogOptions } from '../log/log-options.ts';
import type { RecordInput } from '../log/record-input.ts';
import { newDedupSettings, type DedupConfig } from './dedup-options.ts';
import { TOPIC_OPTION_NAMES, type TopicSettings } from './topic-state.ts';
import { newUnfinishedSettings, type UnfinishedConfig } from './unfinished-options.ts';

/** Most partitions of one topic: each is a directory, and costs two syncs when it is made. */
export const PARTITIONS_MAX = 4096;

type LogConfig = Pick<
  LogOptions<never>,
  | 'durability'
  | 'flushMs'
  | 'segmentBytesMax'
  | 'segmentAgeMsMax'
  | 'retentionMs'
  | 'retentionBytes'
  | 'recordBytesMax'
  | 'batchBytesMax'
  | 'compression'
  | 'compressionLevel'
  | keyof CompactionConfig
>;

/**
 * How the records of a topic are kept; the journal holds all of it. Those of `LogOptions` have the same
 * defaults. Values that are left out when a topic is opened are not compared.
 */
export interface TopicConfig extends LogConfig, DedupConfig, UnfinishedConfig {}

/** Chooses a partition from 0 to `partitionCount` - 1. Called once per record, must not append. */
export type Partitioner<Input> = (record: RecordInput<Input>, partitionCount: number) => number;

export interface TopicOptions<T, Input = T> extends TopicConfig {
  /** Turns values into bytes and back, for this handle; default `bytes`. */
  readonly codec?: Codec<T, Input> | undefined;
  /** Partitions, 1..4096; default 1 for a new topic. */
  readonly partitions?: number | undefined;
  /**
   * Where records go; default: those with a key by its murmur2 hash, as Kafka's default does; those
   * without stay with one partition for 16 KiB, then go on with another (KIP-480).
   */
  readonly partitioner?: Partitioner<Input> | undefined;
  /** Creates the topic when there is none; default true. */
  readonly create?: boolean | undefined;
}

const CONFIG_KEYS: ReadonlySet<string> = new Set(TOPIC_OPTION_NAMES);
/** Of a handle. */
export const TOPIC_HANDLE_NAMES: readonly string[] = [
  ...TOPIC_OPTION_NAMES,
  'codec',
  'partitions',
  'partitioner',
  'create',
];
const HANDLE_KEYS: ReadonlySet<string> = new Set(TOPIC_HANDLE_NAMES);

/** The options of a topic to be opened, checked; what is left out stays undefined. */
export function checkTopicOptions<T, Input>(given: TopicOptions<T, Input>): TopicOptions<T, Input> {
  const options = plainOptions(given, HANDLE_KEYS);
  const { partitions, partitioner, codec } = options;
  if (codec !== undefined) checkCodec(codec);
  if (partitions !== undefined) checkPartitions(partitions);
  if (partitioner !== undefined && typeof partitioner !== 'function') {
    throw argumentError(TypeError, 'partitioner', 'a function', partitioner);
  }
  return options;
}

/** Throws unless a topic may have so many. */
export function checkPartitions(partitions: unknown): number {
  return checkInteger('partitions', partitions, { min: 1, max: PARTITIONS_MAX });
}

/** Only what the journal keeps. @throws TypeError for an unknown key */
export function checkTopicConfig(given: TopicConfig): TopicConfig {
  return plainOptions(given, CONFIG_KEYS);
}

/** Every option of a new topic, with `defaults` where none is given. @throws as `openLog` */
export function newSettings(given: TopicConfig, defaults: TopicConfig): TopicSettings {
  const config = { ...withoutUndefined(defaults), ...withoutUndefined(given) };
  const resolved = resolveLogOptions({ ...logConfigOf(config), codec: undefined });
  const { compression = 'none' } = config;
  const { segmentAgeMsMax } = resolved;
  return {
    durability: resolved.durability,
    flushMs: resolved.flushMs,
    segmentBytesMax: resolved.segmentBytesMax,
    segmentAgeMsMax: Number.isFinite(segmentAgeMsMax) ? segmentAgeMsMax : null,
    retentionMs: resolved.retentionMs,
    retentionBytes: resolved.retentionBytes,
    recordBytesMax: resolved.recordBytesMax,
    batchBytesMax: resolved.batchBytesMax,
    compression,
    compressionLevel: compression === 'none' ? null : (config.compressionLevel ?? 1),
    ...newDedupSettings(config),
    ...newCompactionSettings(config),
    ...newUnfinishedSettings(config),
  };
}

/** What changes, and nothing else. @throws as `openLog` */
export function alteredSettings(before: TopicSettings, given: TopicConfig): TopicSettings {
  const changes = withoutUndefined(checkTopicConfig(given));
  // A level belongs to its compression: with another one the old level means something else.
  const isOther = changes.compression !== undefined && changes.compression !== before.compression;
  return newSettings(changes, configOf(isOther ? { ...before, compressionLevel: null } : before));
}

/** As options again: what the journal keeps makes the same settings. */
export function configOf({ compressionLevel, ...settings }: TopicSettings): TopicConfig {
  return compressionLevel === null ? settings : { ...settings, compressionLevel };
}

/** Those that are of its logs. */
export function logConfigOf(config: TopicConfig): LogConfig {
  const { dedupWindowMs: _window, dedupBy: _by, dedupScope: _scope, ...others } = config;
  const { unfinished: _policy, archiveTo: _to, ...ofLogs } = others;
  return ofLogs;
}

/** The first option that was given and is not what is stored; null when there is none. */
export function conflictOf(
  name: string,
  stored: TopicSettings & { readonly partitions: number },
  given: TopicConfig & { readonly partitions?: number | undefined },
): ConflictError | null {
  for (const key of [...TOPIC_OPTION_NAMES, 'partitions'] as const) {
    const wanted = given[key];
    if (wanted === undefined || wanted === stored[key]) continue;
    return new ConflictError({
      kind: 'topic',
      name,
      stored: `${key} ${String(stored[key])}`,
      requested: `${key} ${String(wanted)}`,
    });
  }
  return null;
}

/** The partition that a caller's function chose. */
export function checkChosen(partition: unknown, partitionCount: number): number {
  return checkInteger('partition', partition, { min: 0, max: partitionCount - 1 });
}

function withoutUndefined(config: TopicConfig): TopicConfig {
  const pairs = TOPIC_OPTION_NAMES.filter((name) => config[name] !== undefined);
  return Object.fromEntries(pairs.map((name) => [name, config[name]]));
}
