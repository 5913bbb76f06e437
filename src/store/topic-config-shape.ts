/** The options of a topic, or of the source log of an exchange, as they come over the socket. */
import {
  choice,
  count,
  nullable,
  optional,
  share,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { COMPRESSION_NAMES } from '../format/compression.ts';
import { COMPACTIONS } from '../log/compaction-options.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';
import {
  DEDUP_BY,
  DEDUP_SCOPES,
  UNTIL_SETTLED,
  type DedupConfig,
  type DedupWindow,
} from '../topic/dedup-options.ts';
import type { TopicConfig } from '../topic/topic-options.ts';
import type { TopicSettings } from '../topic/topic-state.ts';
import { UNFINISHED_POLICIES } from '../topic/unfinished-options.ts';

const dedupWindow: Shape<DedupWindow> = {
  check: (name, value) => (value === UNTIL_SETTLED ? value : count.check(name, value)),
};

const dedupConfigShapes = {
  dedupWindowMs: optional(dedupWindow),
  dedupBy: optional(choice(DEDUP_BY)),
  dedupScope: optional(choice(DEDUP_SCOPES)),
};

/** Those of a queue alone. */
export const dedupConfig: Shape<DedupConfig> = struct(dedupConfigShapes);

export const topicConfig: Shape<TopicConfig> = struct({
  durability: optional(choice(DURABILITY_LEVELS)),
  flushMs: optional(count),
  segmentBytesMax: optional(count),
  segmentAgeMsMax: optional(nullable(count)),
  retentionMs: optional(nullable(count)),
  retentionBytes: optional(nullable(count)),
  recordBytesMax: optional(count),
  batchBytesMax: optional(count),
  compression: optional(choice(COMPRESSION_NAMES)),
  compressionLevel: optional(count),
  ...dedupConfigShapes,
  compaction: optional(choice(COMPACTIONS)),
  compactionLagMsMin: optional(count),
  compactionLagMsMax: optional(nullable(count)),
  compactionShareMin: optional(share),
  tombstoneRetentionMs: optional(count),
  unfinished: optional(nullable(choice(UNFINISHED_POLICIES))),
  archiveTo: optional(nullable(text)),
});

/** As they are stored. */
export const topicSettings: Shape<TopicSettings> = structWith({
  durability: choice(DURABILITY_LEVELS),
  flushMs: count,
  segmentBytesMax: count,
  segmentAgeMsMax: nullable(count),
  retentionMs: nullable(count),
  retentionBytes: nullable(count),
  recordBytesMax: count,
  batchBytesMax: count,
  compression: choice(COMPRESSION_NAMES),
  compressionLevel: nullable(count),
  dedupWindowMs: dedupWindow,
  dedupBy: choice(DEDUP_BY),
  dedupScope: choice(DEDUP_SCOPES),
  compaction: choice(COMPACTIONS),
  compactionLagMsMin: count,
  compactionLagMsMax: nullable(count),
  compactionShareMin: share,
  tombstoneRetentionMs: count,
  unfinished: nullable(choice(UNFINISHED_POLICIES)),
  archiveTo: nullable(text),
});
