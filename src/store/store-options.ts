/** What `openStore` accepts, checked. */
import { argumentError, checkChoice, checkInteger } from '../core/assert.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { systemRandom, type Random } from '../core/random.ts';
import { DEDUP_BYTES_LIMIT, DEDUP_BYTES_MAX, DEDUP_BYTES_MIN } from '../core/limits.ts';
import type { FileSystem, LockChoice } from '../io/file-system.ts';
import { LOCK_CHOICES } from '../io/lock-plan.ts';
import { MemoryFileSystem } from '../io/memory-file-system.ts';
import { nodeFileSystem } from '../io/node-file-system.ts';
import {
  COMPACTION_BOUND_NAMES,
  newCompactionBounds,
  type CompactionBounds,
  type CompactionBoundSettings,
} from '../log/compaction-options.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../log/log-options.ts';

const ON_CORRUPTION = ['readonly', 'fail'] as const;

/** What `openStore` does when the journal is damaged: see `StoreOptions.onCorruption`. */
export type StoreOnCorruption = (typeof ON_CORRUPTION)[number];

export interface StoreOptions extends CompactionBounds {
  /** Level of topics that ask for none when they are created; default `sync`: see `LogOptions`. */
  readonly durability?: DurabilityLevel | undefined;
  /** Creates the store when there is none; default true. */
  readonly create?: boolean | undefined;
  /**
   * Never writes, never creates, takes no lock: for a look at a store that another process may have
   * open; default false. Topics and groups are as they were when it was opened.
   */
  readonly readOnly?: boolean | undefined;
  /**
   * What to do when the journal, which says which topics and groups there are, is damaged.
   * `readonly` (default): everything that is known up to the damage can be read, `Store.damage` says
   * what it is, and every change is refused with it as the cause, so nothing that was lost is
   * overruled by accident. `fail`: throws CorruptLogError. `varve repair --journal` repairs it.
   */
  readonly onCorruption?: StoreOnCorruption | undefined;
  /** Keeps everything in memory, for tests: the same engine on another file system; default false. */
  readonly memory?: boolean | undefined;
  /** What keeps other writers out; default `auto`: see `LogOptions`. */
  readonly lock?: LockChoice | undefined;
  /**
   * Bytes that appends leave free on the disk; default null = as `LogOptions`. The journal leaves a
   * quarter of them, 256 KiB at most, and takes the reserve then: records can be settled, positions
   * committed and topics deleted when appends cannot go on.
   */
  readonly freeBytesMin?: number | null | undefined;
  /**
   * Bytes that all topics and the journal may have together; default null = as much as the disk has.
   * What would pass it rejects with DiskFullError, when retention has freed what it may; appends go
   * on when there is room.
   */
  readonly storeBytesMax?: number | null | undefined;
  /**
   * Memory for what is known of ids, of all topics together, in bytes: 1 MiB to 16 GiB; default 256 MiB,
   * which is enough for some 16 million. What does not fit is looked for on the disk: slower, and never
   * forgotten. `health()` says so then, as `dedup-over-memory`. The ids of segments that are not full,
   * or found no room for their table, stay in memory all the same.
   */
  readonly dedupBytesMax?: number | undefined;
  /** Seams for tests; default the operating system's. */
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** `StoreOptions` with every default filled in. */
export interface StoreSettings extends CompactionBoundSettings {
  readonly path: string;
  readonly durability: DurabilityLevel;
  readonly create: boolean;
  readonly readOnly: boolean;
  readonly onCorruption: StoreOnCorruption;
  readonly lock: LockChoice;
  readonly freeBytesMin: number | null;
  readonly storeBytesMax: number | null;
  readonly dedupBytesMax: number;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

/** Where a store in memory lives. */
const MEMORY_PATH = '/store';

const KNOWN: ReadonlySet<string> = new Set<keyof StoreOptions>([
  'durability',
  'create',
  'readOnly',
  'onCorruption',
  'memory',
  'lock',
  'freeBytesMin',
  'storeBytesMax',
  'dedupBytesMax',
  ...COMPACTION_BOUND_NAMES,
  'fileSystem',
  'clock',
  'random',
]);

/**
 * Checks the arguments of `openStore` and fills in the defaults.
 *
 * @throws TypeError or RangeError (`ERR_VARVE_INVALID_ARGUMENT`)
 */
export function resolveStoreOptions(path: string | null, given: StoreOptions): StoreSettings {
  const options = plainOptions(given, KNOWN);
  const isInMemory = checkBoolean('memory', options.memory ?? false);
  const { fileSystem, freeBytesMin = null, storeBytesMax = null } = options;
  if (isInMemory && (path !== null || fileSystem !== undefined)) {
    throw argumentError(TypeError, 'memory', 'without a path or a file system', options.memory);
  }
  if (!isInMemory && (typeof path !== 'string' || path === '')) {
    throw argumentError(TypeError, 'path', 'the path of a directory', path);
  }
  return Object.freeze({
    path: path ?? MEMORY_PATH,
    durability: checkChoice('durability', options.durability ?? 'sync', DURABILITY_LEVELS),
    create: checkBoolean('create', options.create ?? true),
    readOnly: checkBoolean('readOnly', options.readOnly ?? false),
    onCorruption: checkChoice('onCorruption', options.onCorruption ?? 'readonly', ON_CORRUPTION),
    lock: checkChoice('lock', options.lock ?? 'auto', LOCK_CHOICES),
    freeBytesMin:
      freeBytesMin === null ? null : checkInteger('freeBytesMin', freeBytesMin, { min: 0 }),
    storeBytesMax:
      storeBytesMax === null ? null : checkInteger('storeBytesMax', storeBytesMax, { min: 1 }),
    dedupBytesMax: checkInteger('dedupBytesMax', options.dedupBytesMax ?? DEDUP_BYTES_MAX, {
      min: DEDUP_BYTES_MIN,
      max: DEDUP_BYTES_LIMIT,
    }),
    ...newCompactionBounds(options),
    fileSystem: fileSystem ?? (isInMemory ? new MemoryFileSystem() : nodeFileSystem),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  });
}
