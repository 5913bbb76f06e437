/** What `openLog` accepts, and its validation: once, into a plain frozen object. */
import { argumentError, checkChoice, checkInteger } from '../core/assert.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import {
  BATCH_TARGET_BYTES,
  BATCH_TARGET_BYTES_MIN,
  CACHE_BYTES,
  FLUSH_MS,
  GIB,
  KIB,
  POLL_MS,
  QUEUED_BYTES_MAX,
  RECORD_BYTES_LIMIT,
  RECORD_BYTES_MAX,
  RETENTION_CHECK_MS,
  SEGMENT_AGE_MS_MAX,
  SEGMENT_BYTES_LIMIT,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
} from '../core/limits.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { systemRandom, type Random } from '../core/random.ts';
import { codecOr, checkCodec, type Codec } from '../codec/codec.ts';
import {
  COMPRESSION_LEVELS,
  COMPRESSION_NAMES,
  createCompressor,
  type CompressionName,
  type Compressor,
} from '../format/compression.ts';
import type { FileSystem, LockChoice } from '../io/file-system.ts';
import { LOCK_CHOICES } from '../io/lock-plan.ts';
import { nodeFileSystem } from '../io/node-file-system.ts';
import {
  COMPACTION_BOUND_NAMES,
  COMPACTION_OPTION_NAMES,
  newCompactionBounds,
  newCompactionSettings,
  type CompactionBounds,
  type CompactionBoundSettings,
  type CompactionConfig,
  type CompactionSettings,
} from './compaction-options.ts';
import type { OnCorruption } from './log-loader.ts';

/** What an acknowledged record survives: a process crash, or a power cut too (`sync`). */
export type DurabilityLevel = 'os' | 'interval' | 'sync';

export interface LogOptions<T, Input = T> extends CompactionConfig, CompactionBounds {
  /** Turns values into bytes and back; default `bytes` (values are `Uint8Array`). */
  readonly codec?: Codec<T, Input> | undefined;
  /**
   * When an append is acknowledged; default `sync`. `os`: written to the operating system, survives
   * a crash of the process. `interval`: the same, and synced every `flushMs`. `sync`: synced,
   * survives a power cut.
   */
  readonly durability?: DurabilityLevel | undefined;
  /** Milliseconds between syncs at level `interval`, 1..3_600_000; default 200. */
  readonly flushMs?: number | undefined;
  /** Bytes at which a new segment begins, 4 KiB..1 GiB; default 64 MiB. */
  readonly segmentBytesMax?: number | undefined;
  /** Age in ms at which a new segment begins, at the next append; null = never; default 7 days. */
  readonly segmentAgeMsMax?: number | null | undefined;
  /**
   * Whole segments older than this many ms are deleted; default null = never. A wall clock that goes ahead
   * deletes nothing: until it has stood for a day (two at the most), ages are counted by the time from before,
   * which goes on. A machine that was suspended looks the same to it. What the clock did while no process had
   * the log open cannot be told: its time is taken for right at opening.
   */
  readonly retentionMs?: number | null | undefined;
  /** The oldest segments are deleted while the others still hold this much; default null = never. */
  readonly retentionBytes?: number | null | undefined;
  /** Milliseconds between two looks at retention, 10..2^31-1; default 5 minutes. Also on each roll. */
  readonly retentionCheckMs?: number | undefined;
  /** Largest record in bytes, key and headers included, 1 KiB..15 MiB; default 1 MiB. */
  readonly recordBytesMax?: number | undefined;
  /** Bytes at which a batch on disk is closed, 1 KiB..1 MiB; default 64 KiB, 16 KiB for random reads. */
  readonly batchBytesMax?: number | undefined;
  /**
   * Compresses each batch, on the calling thread, where that makes it smaller; default `none`. Logs
   * may mix all of them. `zstd` needs Node 22.15, 23.8 or later, to write and to read.
   */
  readonly compression?: CompressionName | undefined;
  /** Only with `compression`: gzip 1..9, zstd 1..19; higher is smaller and slower; default 1. */
  readonly compressionLevel?: number | undefined;
  /** Bytes appended (before compression) but not acknowledged, 64 KiB..1 GiB; default 64 MiB. */
  readonly queuedBytesMax?: number | undefined;
  /**
   * Bytes that appends leave free on the disk: below it they reject with DiskFullError, and go on
   * by themselves when there is room again. 0 = until the operating system refuses; default null =
   * 1/64 of the file system, at most 16 MiB.
   */
  readonly freeBytesMin?: number | null | undefined;
  /** Memory for verified batches, uncompressed, bytes, 0..1 GiB; default 32 MiB. */
  readonly cacheBytes?: number | undefined;
  /**
   * When acknowledged data is damaged: `fail` (default) throws, `readonly` opens what is left for
   * reading, `skip` replaces the damage by gaps, keeps the damaged bytes in `quarantine/` and goes on.
   */
  readonly onCorruption?: OnCorruption | undefined;
  /**
   * What keeps other writers out; default `auto`. However two writers lock, they exclude each other
   * on one machine: LOCK names the owner, and a process that lives is never overruled.
   *
   * `auto`: on Linux an abstract socket and, where the optional package fs-ext loads, flock(2);
   * without either, `sqlite`; without that, `owner-record` and a warning (`VARVE_LOCK_WEAK`).
   * `flock`, `socket` (Linux): that one alone. `sqlite`: an exclusive transaction of `node:sqlite`
   * (Node.js 22.13; 22 prints an ExperimentalWarning) on the empty file LOCK.sqlite.
   * `owner-record`: nothing of the kernel's, only what LOCK says and the process table confirms.
   * One that does not work here is an error (LockUnavailableError), not a weaker lock.
   *
   * Across containers and machines, a heartbeat in LOCK every 5 s keeps other writers out. An owner
   * that cannot be seen otherwise and was silent for 30 s is watched for 10 s, then replaced, which
   * `recovery.notes` says; should it wake up, it stops within 5 s, with a FailedError.
   */
  readonly lock?: LockChoice | undefined;
  /**
   * Never writes, never creates, takes no lock; default false. Any number of read-only handles, in
   * any process, follow a log while one writer appends to it.
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Milliseconds between two looks of a read-only handle, while a read with `follow` waits for a
   * writer in another process, 1..60_000; default 100.
   */
  readonly pollMs?: number | undefined;
  /** Creates the directory and the log when missing; default true. */
  readonly create?: boolean | undefined;
  /** Seams for tests; default the operating system's. */
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** `LogOptions` with every default filled in. */
export interface LogSettings<T, Input = T> extends CompactionSettings, CompactionBoundSettings {
  readonly codec: Codec<T, Input>;
  readonly durability: DurabilityLevel;
  readonly flushMs: number;
  readonly segmentBytesMax: number;
  readonly segmentAgeMsMax: number;
  readonly retentionMs: number | null;
  readonly retentionBytes: number | null;
  readonly retentionCheckMs: number;
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
  /** Null: batches are stored as they are. */
  readonly compressor: Compressor | null;
  readonly queuedBytesMax: number;
  readonly freeBytesMin: number | null;
  readonly cacheBytes: number;
  readonly onCorruption: OnCorruption;
  readonly lock: LockChoice;
  readonly readOnly: boolean;
  readonly pollMs: number;
  readonly create: boolean;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

export const DURABILITY_LEVELS = ['os', 'interval', 'sync'] as const;
const ON_CORRUPTION = ['fail', 'readonly', 'skip'] as const;
const COMPRESSION_LEVEL = 1;
const TIMER_MS_MAX = 2 ** 31 - 1;

const KNOWN: ReadonlySet<string> = new Set<keyof LogOptions<unknown>>([
  'codec',
  'durability',
  'flushMs',
  'segmentBytesMax',
  'segmentAgeMsMax',
  'retentionMs',
  'retentionBytes',
  'retentionCheckMs',
  'recordBytesMax',
  'batchBytesMax',
  'compression',
  'compressionLevel',
  'queuedBytesMax',
  'freeBytesMin',
  'cacheBytes',
  'onCorruption',
  'lock',
  'readOnly',
  'pollMs',
  'create',
  'fileSystem',
  'clock',
  'random',
  ...COMPACTION_OPTION_NAMES,
  ...COMPACTION_BOUND_NAMES,
]);

/**
 * Checks options and fills in the defaults.
 *
 * @throws TypeError or RangeError (`ERR_VARVE_INVALID_ARGUMENT`) for an unknown key or a value out
 *   of its range; CodecUnavailableError when a writer shall compress as this Node cannot
 */
export function resolveLogOptions<T, Input>(given: LogOptions<T, Input>): LogSettings<T, Input> {
  const options = plainOptions(given, KNOWN);
  const readOnly = checkBoolean('readOnly', options.readOnly ?? false);
  return Object.freeze({
    ...seams(options),
    ...sizes(options),
    ...times(options),
    ...newCompactionSettings(options),
    ...newCompactionBounds(options),
    compressor: compressor(options, readOnly),
    durability: checkChoice('durability', options.durability ?? 'sync', DURABILITY_LEVELS),
    onCorruption: checkChoice('onCorruption', options.onCorruption ?? 'fail', ON_CORRUPTION),
    lock: checkChoice('lock', options.lock ?? 'auto', LOCK_CHOICES),
    readOnly,
    create: checkBoolean('create', options.create ?? true),
  });
}

function seams<T, Input>(options: LogOptions<T, Input>) {
  if (options.codec !== undefined) checkCodec(options.codec);
  return {
    codec: codecOr(options.codec),
    fileSystem: options.fileSystem ?? nodeFileSystem,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function sizes(options: NumericOptions) {
  const size = (name: SizeOption, fallback: number, min: number, max: number) =>
    checkInteger(name, options[name] ?? fallback, { min, max });
  return {
    segmentBytesMax: size(
      'segmentBytesMax',
      SEGMENT_BYTES_MAX,
      SEGMENT_BYTES_MIN,
      SEGMENT_BYTES_LIMIT,
    ),
    recordBytesMax: size('recordBytesMax', RECORD_BYTES_MAX, KIB, RECORD_BYTES_LIMIT),
    batchBytesMax: size('batchBytesMax', BATCH_TARGET_BYTES, BATCH_TARGET_BYTES_MIN, 1024 * KIB),
    queuedBytesMax: size('queuedBytesMax', QUEUED_BYTES_MAX, 64 * KIB, GIB),
    cacheBytes: size('cacheBytes', CACHE_BYTES, 0, GIB),
    retentionBytes: bytesOrNull('retentionBytes', options.retentionBytes),
    freeBytesMin: bytesOrNull('freeBytesMin', options.freeBytesMin),
  };
}

function bytesOrNull(name: string, value: number | null | undefined): number | null {
  return value == null ? null : checkInteger(name, value, { min: 0 });
}

/** A reader needs none, and reads what it can. */
function compressor(options: NumericOptions, readOnly: boolean): Compressor | null {
  const { compression = 'none', compressionLevel } = options;
  const name = checkChoice('compression', compression, COMPRESSION_NAMES);
  if (name === 'none') {
    if (compressionLevel === undefined) return null;
    throw argumentError(
      TypeError,
      'compressionLevel',
      'undefined without `compression`',
      compressionLevel,
    );
  }
  const bounds = COMPRESSION_LEVELS[name];
  const level = checkInteger('compressionLevel', compressionLevel ?? COMPRESSION_LEVEL, bounds);
  return readOnly ? null : createCompressor(name, level);
}

type NumericOptions = Omit<LogOptions<unknown>, 'codec'>;

type SizeOption =
  'segmentBytesMax' | 'recordBytesMax' | 'batchBytesMax' | 'queuedBytesMax' | 'cacheBytes';

function times(options: NumericOptions) {
  const { segmentAgeMsMax = SEGMENT_AGE_MS_MAX, retentionMs = null } = options;
  return {
    pollMs: checkInteger('pollMs', options.pollMs ?? POLL_MS, { min: 1, max: 60_000 }),
    flushMs: checkInteger('flushMs', options.flushMs ?? FLUSH_MS, { min: 1, max: 3_600_000 }),
    segmentAgeMsMax:
      segmentAgeMsMax === null
        ? Number.POSITIVE_INFINITY
        : checkInteger('segmentAgeMsMax', segmentAgeMsMax, { min: 1 }),
    retentionMs: retentionMs === null ? null : checkInteger('retentionMs', retentionMs, { min: 0 }),
    retentionCheckMs: checkInteger(
      'retentionCheckMs',
      options.retentionCheckMs ?? RETENTION_CHECK_MS,
      { min: 10, max: TIMER_MS_MAX },
    ),
  };
}
