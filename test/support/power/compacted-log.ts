/** The log whose power is cut while it is compacted. */
import { utf8 } from '../../../src/index.ts';

/** Some ten records in a segment, and of what is deleted nothing stays longer than it has to. */
export const COMPACTED_LOG = {
  codec: utf8,
  segmentBytesMax: 4096,
  compaction: 'key',
  tombstoneRetentionMs: 0,
} as const;
