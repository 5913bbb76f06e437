/** The options of a topic, or of the source log of an exchange, as they come over the socket. */
import { choice, count, nullable, optional, struct, type Shape } from '../core/shape.ts';
import { COMPRESSION_NAMES } from '../format/compression.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';
import type { TopicConfig } from '../topic/topic-options.ts';

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
});
