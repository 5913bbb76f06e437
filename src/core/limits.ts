/** Every bound of the engine, with its unit and its reason. Relations are asserted at load. */
import { assert } from './assert.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Largest batch on disk. Recovery reads one batch into memory, so this bounds its memory. */
export const BATCH_BYTES_MAX = 16 * MIB;
/** Where a batch is closed unless one record is larger: large enough for the CRC and header to vanish. */
export const BATCH_TARGET_BYTES = 64 * KIB;
/**
 * Records of a batch from which background work compresses and decompresses them on another thread: 64 KiB
 * take 0.2 to 1 ms, and a batch may have 16 MiB.
 */
export const OFF_THREAD_BYTES_MIN = 256 * KIB;
/** Smallest batch target that an option may ask for. */
export const BATCH_TARGET_BYTES_MIN = KIB;

/** Records of a batch that says more of each of them: 32 KiB of fingerprints. */
export const TAGGED_RECORDS_MAX = 4096;

/** A batch that claims to be larger uncompressed by more than this factor is not believed. */
export const COMPRESSION_RATIO_MAX = 1000;

/** Largest record that an option may allow; with its batch header it must fit `BATCH_BYTES_MAX`. */
export const RECORD_BYTES_LIMIT = 15 * MIB;
/** Default largest record: Kafka's and SQS's limit. */
export const RECORD_BYTES_MAX = MIB;
/** Longest key, bytes: its length is a u16 whose highest value means "no key". */
export const KEY_BYTES_MAX = 65_534;
/** All headers of one record, encoded. */
export const HEADERS_BYTES_MAX = 64 * KIB;
/** Longest header name, bytes. */
export const HEADER_NAME_BYTES_MAX = 255;

/** Largest segment: positions stay far below 2^32 with the tables and the index batch behind the data. */
export const SEGMENT_BYTES_LIMIT = GIB;
/** Default segment: recovery verifies one of them whole (12 ms), retention deletes whole ones. */
export const SEGMENT_BYTES_MAX = 64 * MIB;
/** Smallest segment that an option may ask for; tests want many small ones. */
export const SEGMENT_BYTES_MIN = 4 * KIB;
/** Default age at which a segment is rolled, ms. Kafka's default. */
export const SEGMENT_AGE_MS_MAX = 7 * 24 * 60 * 60 * 1000;

/** Bytes between two index entries; a lookup scans at most this much plus one batch. Kafka's default. */
export const INDEX_INTERVAL_BYTES = 4 * KIB;

/** One write to disk: the prototype's best size, 3 times the rate of 64 KiB. */
export const WRITE_BUFFER_BYTES = MIB;
/**
 * Write buffers kept for reuse, by all logs of the process together; more are allocated under load
 * and dropped afterwards. A fresh one costs a page fault per 4 KiB, more than the write itself.
 */
export const WRITE_BUFFERS_KEPT = 32;
/** The same for a log whose segments are smaller than a write buffer, each for itself. */
export const SMALL_WRITE_BUFFERS_KEPT = 4;
/** Writes of one log that are issued behind one in flight: the thread pool has four threads. */
export const WRITES_AHEAD_MAX = 2;
/**
 * Blocks up to this size are written on the calling thread: the thread pool costs 30 us a trip, and its
 * answer waits for the end of the turn. An entry of 50 small transactions is one.
 */
export const SYNC_WRITE_BYTES_MAX = 32 * KIB;
/**
 * So much is written at once, not at the end of the turn. Many callers then fall into two groups: while
 * one is synced, the other appends.
 */
export const EARLY_WRITE_BYTES = BATCH_TARGET_BYTES;
/** The same for what nobody waits for: half a write buffer, so that the other half fills meanwhile. */
export const LATE_WRITE_BYTES = WRITE_BUFFER_BYTES / 2;
/** Default bound of bytes that are appended and not yet acknowledged. */
export const QUEUED_BYTES_MAX = 64 * MIB;

/** One read of a scan. */
export const READ_WINDOW_BYTES = MIB;
/** Largest read of a single record on the calling thread: 20 us from the page cache. */
export const DIRECT_READ_BYTES_MAX = BATCH_TARGET_BYTES + INDEX_INTERVAL_BYTES;
/** Largest read of a scan there, of what was just appended: 60 us. */
export const DIRECT_SCAN_BYTES_MAX = 256 * KIB;
/** A read that took longer did not come from the page cache, or the machine was busy elsewhere, ms... */
export const SLOW_READ_MS = 1;
/** ...and the next ones go by way of the thread pool, after the first slow read for so long, ms; */
export const DIRECT_READ_PAUSE_MS = 4;
/** four times as long after each further one, up to this, ms; */
export const DIRECT_READ_PAUSE_MS_MAX = 1024;
/** until so many in a row were not slow. */
export const FAST_READS_TO_FORGET = 64;
/** Default memory for verified batches. */
export const CACHE_BYTES = 32 * MIB;
/** Memory for indexes of sealed segments. */
export const INDEX_CACHE_BYTES = 16 * MIB;
/** Open files of sealed segments that are kept for the next reader. */
export const OPEN_SEGMENTS_MAX = 64;

/** fdatasyncs in flight per store: two of the four threads of Node's pool stay for the program. */
export const SYNCS_IN_FLIGHT_MAX = 2;
/** One sync of a store that takes longer, ms, does not count as in flight: others need not wait for it. */
export const SYNC_PATIENCE_MS = 100;
/** A sync that takes longer is reported, ms: callers wait for it. */
export const SLOW_SYNC_MS = 1000;
/** What was cut off is reported when a log has more of it. Nothing of it is ever deleted unasked. */
export const QUARANTINE_BYTES_WARNED = 256 * MIB;
/** Partitions of a store whose logs stay open while nobody uses them: reopening one costs two syncs. */
export const OPEN_PARTITIONS_MAX = 48;
/** Files that those keep open, with those of sealed segments that are kept for the next reader. */
export const PARTITION_FILES_MAX = 160;
/** Partitions that are opened at a time: each syncs twice, so more would not be faster. */
export const OPENINGS_MAX = 2;
/** One opening or closing that takes longer, ms, lets others go on: its disk may hang. */
export const OPENING_PATIENCE_MS = 1000;
/** Time after which partitions that were in use are looked at again, ms. */
export const IDLE_LOOK_MS = 100;

/** Preallocated file that is given up when the disk is full, so that recovery can proceed. */
export const RESERVE_BYTES = MIB;
/** Default of the room that appends leave on the disk: this, or this share of it if that is less. */
export const FREE_BYTES_MIN = 16 * MIB;
export const FREE_SHARE_MIN = 1 / 64;
/**
 * What the journal of a store leaves free, at most, where its topics leave `FREE_BYTES_MIN`: by what it
 * says records are settled and segments go, so it must be the last to stop. Below it the reserve is
 * given up.
 */
export const JOURNAL_FREE_BYTES_MIN = 256 * KIB;
/** After the reserve was given up it is looked whether there is room for it again, ms. */
export const RESERVE_LOOK_MS = 10_000;
/** A disk that is full has others let go of what they need less so often, ms. */
export const MAKE_ROOM_MS = 5000;
/** The file system is asked for its room again after so many bytes, or so many ms. */
export const SPACE_ASKED_BYTES_MAX = 64 * MIB;
export const SPACE_ASKED_MS = 1000;
/** (epoch, start offset) pairs that a checkpoint remembers. */
export const EPOCHS_KEPT = 16;
/** Highest epoch, of a u32: the next opening still has one. */
export const EPOCH_MAX = 0xffff_fffe;

/** Default time between two syncs at level `interval`, ms; also when a weaker append in a `sync` log is synced. */
export const FLUSH_MS = 200;
/** Latest time at which a moved `visibleOffset` reaches the checkpoint, ms. */
export const CHECKPOINT_DELAY_MS = 100;
/** Looks at a log that a busy writer may overtake before what is seen counts. */
export const LOOKS_MAX = 10;
/** Default time between two looks of a read-only handle that follows another process's writer, ms. */
export const POLL_MS = 100;
/** Quiet time after which the checkpoint itself is synced, ms. */
export const CHECKPOINT_IDLE_MS = 50;
/** Default time between two looks at retention, ms. Kafka's default. */
export const RETENTION_CHECK_MS = 5 * 60 * 1000;
/** Time between two looks at the retention of partitions that nobody has open, ms. */
export const IDLE_RETENTION_MS = 60 * 60 * 1000;

/** For how long retention may wait for a group before somebody is told. */
export const RETENTION_PATIENCE_MS = 60 * 60 * 1000;
/** For so long a wall clock that went ahead has to stand before anything is old by it, ms. */
export const CLOCK_BELIEVED_MS = 24 * 60 * 60 * 1000;
/**
 * Sealed or sealing segments that may wait for their fdatasync before appends wait: at level `os` a
 * burst of 1 GiB goes at the speed of memory, and recovery may have so much to read again.
 */
export const UNSYNCED_SEGMENTS_MAX = 16;

/** Longest routing key, and longest pattern, bytes: RabbitMQ's limit. */
export const ROUTING_KEY_BYTES_MAX = 255;
/** Keys that one list of further routing keys may have (`cc`, `bcc`): with the longest some 16 KiB. */
export const ROUTING_KEYS_MAX = 64;
/** Largest weight of a binding: so many times as much as the smallest is as fine as 32 bits divide. */
export const BINDING_WEIGHT_MAX = 1_000_000;
/** Routing keys whose destinations a topology remembers: some 5 MiB when all are in use. */
export const ROUTES_CACHED_MAX = 16_384;

/** Producers of a store: each is known until it is deleted. */
export const PRODUCERS_MAX = 100_000;
/** Calls of one producer that wait for the disk, and holes in what it sent. */
export const PRODUCER_CALLS_MAX = 1024;
/** Bytes of records in such calls. */
export const PRODUCER_BYTES_MAX = 64 * MIB;

/** Default time for which an id counts as one that was stored, ms: SQS's. */
export const DEDUP_WINDOW_MS = 5 * 60 * 1000;
/** Longest such time, ms: a year. What it covers must stay on the disk. */
export const DEDUP_WINDOW_MS_MAX = 365 * 24 * 60 * 60 * 1000;
/** Default memory for ids of all topics: 16 million and more. What does not fit is looked for on the disk. */
export const DEDUP_BYTES_MAX = 256 * MIB;
/** Least and most that an option may ask for. */
export const DEDUP_BYTES_MIN = MIB;
export const DEDUP_BYTES_LIMIT = 16 * GIB;

/** Default memory for the keys that one pass of compaction compares: ten million. */
export const COMPACTION_MAP_BYTES_MAX = 128 * MIB;
/** Least and most that an option may ask for. */
export const COMPACTION_MAP_BYTES_MIN = MIB;
export const COMPACTION_MAP_BYTES_LIMIT = GIB;
/** Default of what a pass that begins by itself reads and writes, bytes per second. */
export const COMPACTION_BYTES_PER_SECOND_MAX = 64 * MIB;
/** Least that an option may ask for: a write buffer would take longer than a quarter of a minute. */
export const COMPACTION_BYTES_PER_SECOND_MIN = 64 * KIB;
/** Default share of bytes that wait for compaction at which a pass begins by itself. Kafka's default. */
export const COMPACTION_SHARE_MIN = 0.5;
/** Time until a pass that failed by itself is tried again, ms: at first, and at most, for it doubles. */
export const COMPACTION_RETRY_MS_MIN = 60_000;
export const COMPACTION_RETRY_MS_MAX = 3_600_000;
/** Time between two looks of a store at what of its open logs is to be compacted, ms. */
export const COMPACTION_LOOK_MS = 60_000;
/** The same of partitions that nobody has open, each of which is opened for it, ms. */
export const IDLE_COMPACTION_MS = 60 * 60 * 1000;
/** Compactions that ended, of which a store still knows. */
export const COMPACTIONS_KEPT_MAX = 100;
/** Smallest such share. */
export const COMPACTION_SHARE_MIN_LIMIT = 0.01;
/** Default time for which a tombstone outlives what it deleted, ms: a day, as Kafka's. */
export const TOMBSTONE_RETENTION_MS = 24 * 60 * 60 * 1000;

assert(BATCH_BYTES_MAX < 2 ** 31, 'a batch length fits an i32');
assert(RECORD_BYTES_LIMIT < 2 ** 24, 'a record length fits 24 bits');
assert(RECORD_BYTES_LIMIT + 64 * KIB < BATCH_BYTES_MAX, 'the largest record fits a batch');
assert(SEGMENT_BYTES_LIMIT + 2 * BATCH_BYTES_MAX < 2 ** 32, 'a position fits a u32');
assert(2 * OPEN_PARTITIONS_MAX < PARTITION_FILES_MAX, 'a writer keeps two files open');
assert(JOURNAL_FREE_BYTES_MIN < RESERVE_BYTES, 'with the reserve given up the journal goes on');
assert(INDEX_INTERVAL_BYTES < BATCH_TARGET_BYTES, 'the index is sparse');
assert(HEADERS_BYTES_MAX < RECORD_BYTES_MAX, 'headers fit a record');
