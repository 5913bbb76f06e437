/**
 * The bytes of format version 1, as named positions. FORMAT.md holds the same tables in prose;
 * a test compares the two. Little-endian throughout; a field cannot move without moving
 * everything after it.
 */
import { assert } from '../core/assert.ts';

/** Newest format version that this library writes and reads. */
export const FORMAT_VERSION = 1;

// Batch header. The CRC covers every byte of the batch after it: length, flags and all.
/** ASCII `VRVB`. */
export const BATCH_MAGIC = 0x42565256;
export const CRC_AT = 0; // u32, XOR CRC_MASK
export const MAGIC_AT = CRC_AT + 4; // u32
export const VERSION_AT = MAGIC_AT + 4; // u8
export const KIND_AT = VERSION_AT + 1; // u8, BatchKind
export const ATTRIBUTES_AT = KIND_AT + 1; // u16, bits 0-2 compression
export const SIZE_AT = ATTRIBUTES_AT + 2; // u32, whole batch, this header included
export const POSITION_AT = SIZE_AT + 4; // u32, of this batch in its file
export const EPOCH_AT = POSITION_AT + 4; // u32, log epoch
export const LOG_ID_AT = EPOCH_AT + 4; // u64
export const SEGMENT_ID_AT = LOG_ID_AT + 8; // u64
export const BASE_OFFSET_AT = SEGMENT_ID_AT + 8; // u64
export const LAST_OFFSET_DELTA_AT = BASE_OFFSET_AT + 8; // u32
export const RECORD_COUNT_AT = LAST_OFFSET_DELTA_AT + 4; // u32
export const APPEND_TIME_AT = RECORD_COUNT_AT + 4; // u64, ms since the epoch, never decreasing
export const BASE_CREATE_TIME_AT = APPEND_TIME_AT + 8; // u64, smallest of the batch
export const MAX_CREATE_TIME_AT = BASE_CREATE_TIME_AT + 8; // u64, largest of the batch
export const SYNCED_UP_TO_AT = MAX_CREATE_TIME_AT + 8; // u64, offset fdatasynced when encoded
export const PRODUCER_ID_AT = SYNCED_UP_TO_AT + 8; // u64, 0 = none
export const BASE_SEQUENCE_AT = PRODUCER_ID_AT + 8; // u32
export const PRODUCER_EPOCH_AT = BASE_SEQUENCE_AT + 4; // u16
export const EXTENSION_BYTES_AT = PRODUCER_EPOCH_AT + 2; // u16, type-length-value block after the header
export const TOPOLOGY_VERSION_AT = EXTENSION_BYTES_AT + 2; // u64
export const BATCH_HEADER_BYTES = TOPOLOGY_VERSION_AT + 8;

// Record header, after the batch header and its extension block.
export const RECORD_SIZE_AND_FLAGS_AT = 0; // u32: low 24 bits size of the record, high 8 flags
export const RECORD_OFFSET_DELTA_AT = RECORD_SIZE_AND_FLAGS_AT + 4; // u32, from the base offset
export const RECORD_CREATE_TIME_LOW_AT = RECORD_OFFSET_DELTA_AT + 4; // u32 \ u48, ms since the
export const RECORD_CREATE_TIME_HIGH_AT = RECORD_CREATE_TIME_LOW_AT + 4; // u16 / Unix epoch
export const RECORD_KEY_BYTES_AT = RECORD_CREATE_TIME_HIGH_AT + 2; // u16, NO_KEY = none
export const RECORD_HEADER_BYTES = RECORD_KEY_BYTES_AT + 2;
/** The two u16 side by side as one u32: the key's length is its upper half. */
export const RECORD_KEY_BYTES_SHIFT = 8 * (RECORD_KEY_BYTES_AT - RECORD_CREATE_TIME_HIGH_AT);
export const RECORD_SIZE_MASK = 0xff_ffff;
export const RECORD_FLAGS_SHIFT = 24;
/** The value is null: a tombstone for its key. */
export const RECORD_FLAG_NULL_VALUE = 1;
/** A header block (u16 length, then entries) stands between key and value. */
export const RECORD_FLAG_HEADERS = 2;
export const RECORD_FLAGS_KNOWN = RECORD_FLAG_NULL_VALUE | RECORD_FLAG_HEADERS;
export const NO_KEY = 0xffff;
/** Create times are u48: the year 10889 is the last. */
export const CREATE_TIME_MS_MAX = 2 ** 48 - 1;

// Segment header, the first bytes of each segment file.
/** ASCII `VRVS`. */
export const SEGMENT_MAGIC = 0x53565256;
export const SEGMENT_CRC_AT = 0; // u32, XOR CRC_MASK, over every byte of the header after it
export const SEGMENT_MAGIC_AT = SEGMENT_CRC_AT + 4; // u32
export const SEGMENT_VERSION_AT = SEGMENT_MAGIC_AT + 4; // u16
export const SEGMENT_FLAGS_AT = SEGMENT_VERSION_AT + 2; // u16, 0
export const SEGMENT_GENERATION_AT = SEGMENT_FLAGS_AT + 2; // u32, raised by compaction
export const SEGMENT_LOG_ID_AT = SEGMENT_GENERATION_AT + 4; // u64
export const SEGMENT_SEGMENT_ID_AT = SEGMENT_LOG_ID_AT + 8; // u64
export const SEGMENT_BASE_OFFSET_AT = SEGMENT_SEGMENT_ID_AT + 8; // u64
export const SEGMENT_PREVIOUS_ID_AT = SEGMENT_BASE_OFFSET_AT + 8; // u64, 0 = none
export const SEGMENT_PREVIOUS_END_OFFSET_AT = SEGMENT_PREVIOUS_ID_AT + 8; // u64
export const SEGMENT_PREVIOUS_END_CRC_AT = SEGMENT_PREVIOUS_END_OFFSET_AT + 8; // u32, as stored
export const SEGMENT_EPOCH_AT = SEGMENT_PREVIOUS_END_CRC_AT + 4; // u32, log epoch at creation
export const SEGMENT_CREATED_TIME_AT = SEGMENT_EPOCH_AT + 4; // u64, append time at creation
export const SEGMENT_OWNER_ID_AT = SEGMENT_CREATED_TIME_AT + 8; // u64, 0 = bare log, else store id
export const SEGMENT_END_OFFSET_AT = SEGMENT_OWNER_ID_AT + 8; // u64, generation > 0: the original's
export const SEGMENT_END_CRC_AT = SEGMENT_END_OFFSET_AT + 8; // u32, generation > 0: the original's
export const SEGMENT_COMPACTED_TO_AT = SEGMENT_END_CRC_AT + 4; // u64, offset; 0 = never by key
export const SEGMENT_CLEANED_TIME_AT = SEGMENT_COMPACTED_TO_AT + 8; // u64, append time; 0 = not yet
export const SEGMENT_LAST_APPEND_TIME_AT = SEGMENT_CLEANED_TIME_AT + 8; // u64, the original's
export const SEGMENT_RECORD_COUNT_AT = SEGMENT_LAST_APPEND_TIME_AT + 8; // u32, of what is left
export const SEGMENT_TOMBSTONE_COUNT_AT = SEGMENT_RECORD_COUNT_AT + 4; // u32, among these
const SEGMENT_RESERVED_AT = SEGMENT_TOMBSTONE_COUNT_AT + 4;
/** In place of a count: nobody knows, for the header was made again. */
export const COUNT_UNKNOWN = 0xffff_ffff;
export const SEGMENT_HEADER_BYTES = 128; // the rest is zero, for fields to come

// Checkpoint slot; a checkpoint file is two of them.
/** ASCII `VRVC`. */
export const CHECKPOINT_MAGIC = 0x43565256;
export const CHECKPOINT_CRC_AT = 0; // u32, XOR CRC_MASK, over every byte of the slot after it
export const CHECKPOINT_MAGIC_AT = CHECKPOINT_CRC_AT + 4; // u32
export const CHECKPOINT_VERSION_AT = CHECKPOINT_MAGIC_AT + 4; // u16
export const CHECKPOINT_EPOCH_COUNT_AT = CHECKPOINT_VERSION_AT + 2; // u16, 1..16
export const CHECKPOINT_HINT_POSITION_AT = CHECKPOINT_EPOCH_COUNT_AT + 2; // u32
export const CHECKPOINT_SEQUENCE_AT = CHECKPOINT_HINT_POSITION_AT + 4; // u64
export const CHECKPOINT_LOG_ID_AT = CHECKPOINT_SEQUENCE_AT + 8; // u64
export const CHECKPOINT_START_OFFSET_AT = CHECKPOINT_LOG_ID_AT + 8; // u64
export const CHECKPOINT_SYNCED_OFFSET_AT = CHECKPOINT_START_OFFSET_AT + 8; // u64
export const CHECKPOINT_VISIBLE_OFFSET_AT = CHECKPOINT_SYNCED_OFFSET_AT + 8; // u64
export const CHECKPOINT_HINT_SEGMENT_AT = CHECKPOINT_VISIBLE_OFFSET_AT + 8; // u64, base offset
export const CHECKPOINT_EPOCHS_AT = CHECKPOINT_HINT_SEGMENT_AT + 8; // 16 x (u64 start, u32 epoch)
export const CHECKPOINT_EPOCH_BYTES = 12;
export const CHECKPOINT_SLOT_BYTES = CHECKPOINT_EPOCHS_AT + 16 * CHECKPOINT_EPOCH_BYTES;
/** Distance of the two slots: never in one sector or page, so no torn write harms both. */
export const CHECKPOINT_SLOT_DISTANCE = 4096;
export const CHECKPOINT_FILE_BYTES = 2 * CHECKPOINT_SLOT_DISTANCE;

// Index batch payload: entries, then the length of the whole batch as the file's last 4 bytes.
export const INDEX_ENTRY_OFFSET_AT = 0; // u64, base offset of a batch
export const INDEX_ENTRY_MAX_CREATE_TIME_AT = INDEX_ENTRY_OFFSET_AT + 8; // u64, of all before it
export const INDEX_ENTRY_POSITION_AT = INDEX_ENTRY_MAX_CREATE_TIME_AT + 8; // u32
export const INDEX_ENTRY_BYTES = INDEX_ENTRY_POSITION_AT + 4;
export const INDEX_TRAILER_BYTES = 4; // u32

/** What a batch holds. 0 is invalid, so that zeros are never a batch. */
export const BatchKind = { data: 1, gap: 2, journal: 3, index: 4 } as const;
export type BatchKind = (typeof BatchKind)[keyof typeof BatchKind];

/** How the records of a batch are stored: bits 0 to 2 of its attributes. */
export const Compression = { none: 0, gzip: 1, zstd: 2 } as const;
export const COMPRESSION_MASK = 0b111;
/** u32 before the compressed bytes: how many they were before. */
export const UNCOMPRESSED_SIZE_BYTES = 4;

/** Extension fields: u16 type, u16 length, bytes. A reader skips types that it does not know. */
export const ExtensionType = {
  /** u32: end CRC of the damaged batch that this gap batch replaced, so that the chain holds. */
  replacedEndCrc: 1,
  /** Where the records of a projected batch come from: see `projected-extension.ts`. */
  projected: 2,
  /** The sequences of a producer's records: see `produced-extension.ts`. */
  produced: 3,
  /** What the ids of the records come to: see `fingerprints-extension.ts`. */
  fingerprints: 4,
  /** The tables in front of an index batch: see `index-tables.ts`. */
  tables: 5,
  /** Makes a batch of kind index a table of fingerprints: see `dedup-table-batch.ts`. */
  dedupTable: 6,
  /** Which offsets the records have, where some are missing: see `offsets-extension.ts`. */
  offsets: 7,
} as const;

assert(BATCH_HEADER_BYTES === 112, 'the batch header of version 1 is 112 bytes');
assert(RECORD_HEADER_BYTES === 16, 'the record header of version 1 is 16 bytes');
assert(SEGMENT_RESERVED_AT === 124, 'the segment header of version 1 uses 124 bytes');
assert(CHECKPOINT_SLOT_BYTES === 256, 'a checkpoint slot of version 1 is 256 bytes');
assert(CHECKPOINT_SLOT_BYTES <= 512, 'a checkpoint slot is below one sector');
