/** What one seed decides before anything runs: the disk, the log's options, and the odds of everything. */
import { randomBelow, SeededRandom, type Random } from '../../../src/core/random.ts';
import type { CompressionName } from '../../../src/format/compression.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { OnCorruption } from '../../../src/log/log-loader.ts';
import type { DiskOptions } from '../disk-image.ts';
import type { RecordShape } from './records.ts';

/** Kinds of injected faults, each switched on or off as a whole per seed. */
export interface FaultOdds {
  /** Per call of any kind: EIO. */
  readonly io: number;
  /** Per datasync and directory sync: EIO or ENOSPC; the pages are lost and called clean. */
  readonly sync: number;
  /** Per write: ENOSPC, half of them as a short count. */
  readonly full: number;
  /** Per open or create: EMFILE. */
  readonly files: number;
}

export interface PlannedOptions {
  readonly durability: DurabilityLevel;
  readonly flushMs: number;
  readonly segmentBytesMax: number;
  readonly segmentAgeMsMax: number | null;
  readonly batchBytesMax: number;
  readonly queuedBytesMax: number;
  readonly cacheBytes: number;
  readonly retentionMs: number | null;
  readonly retentionBytes: number | null;
  readonly onCorruption: OnCorruption;
}

export interface SimulationPlan {
  readonly path: string;
  /** Whether the directory is there, and durable, before the log is opened in it. */
  readonly hasDirectory: boolean;
  /** Whether the log may make its reserve file, of 1 MiB. */
  readonly hasReserve: boolean;
  readonly disk: DiskOptions;
  readonly isScheduled: boolean;
  readonly hasSlowSyncs: boolean;
  readonly options: PlannedOptions;
  /** What one opening after the other compresses with, and then from the beginning. */
  readonly compressions: readonly CompressionName[];
  readonly records: RecordShape;
  readonly lifeCount: number;
  readonly stepCount: number;
  readonly faults: FaultOdds;
  /** Free bytes to which the disk shrinks now and then; null = never. */
  readonly fullDiskBytes: number | null;
  readonly recoveryCrashOdds: number;
  readonly mixesLevels: boolean;
  readonly jumpsClock: boolean;
  readonly trims: boolean;
  readonly plantsDamage: boolean;
  /** Keys then come again and again, and the log is compacted by itself and when it is asked. */
  readonly compacts: boolean;
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[randomBelow(random, choices.length)] as T; // choices is not empty
}

export function chance(random: Random, odds: number): boolean {
  return random.next() < odds;
}

/** Draws the plan of a seed. */
export function drawPlan(seed: number): SimulationPlan {
  const random = new SeededRandom(seed ^ 0x5eed);
  const isCalm = chance(random, 0.35);
  const plan = {
    ...drawDisk(random),
    options: drawOptions(random),
    compressions: pick(random, [['none'], ['none'], ['gzip'], ['gzip', 'none']] as const),
    records: {
      valueBytesMax: pick(random, [8, 100, 100, 600, 600, 3000, 12_000]),
      isUniform: chance(random, 0.2),
    },
    lifeCount: 1 + randomBelow(random, 3),
    stepCount: pick(random, [3, 6, 12, 25]),
    faults: drawFaults(random, isCalm),
    fullDiskBytes: isCalm || chance(random, 0.7) ? null : randomBelow(random, 6000),
    recoveryCrashOdds: pick(random, [0, 0.3, 0.8]),
    mixesLevels: chance(random, 0.5),
    jumpsClock: chance(random, 0.3),
    trims: chance(random, 0.5),
    plantsDamage: chance(random, 0.3),
  };
  const compacts = !plan.plantsDamage && chance(random, 0.25);
  if (!compacts) return { ...plan, compacts };
  // Long enough that segments are sealed, and keys come again behind them.
  const options = { ...plan.options, segmentBytesMax: 4096, batchBytesMax: 2048 };
  const records = { valueBytesMax: 600, isUniform: false };
  return { ...plan, options, records, stepCount: 40, compacts };
}

function drawDisk(random: Random) {
  const disk: DiskOptions = {
    sectorBytes: pick(random, [512, 4096]),
    directoryMode: pick(random, ['strict', 'linux']),
    capacityBytes: 2 ** 40,
    newNamesNeedSpace: chance(random, 0.5),
  };
  const hasDirectory = chance(random, 0.9);
  const hasReserve = !hasDirectory || chance(random, 0.05);
  const isScheduled = chance(random, 0.5);
  const hasSlowSyncs = chance(random, 0.5);
  return {
    path: pick(random, ['/log', '/a/b/log']),
    hasDirectory,
    hasReserve,
    disk,
    isScheduled,
    hasSlowSyncs,
  };
}

function drawOptions(random: Random): PlannedOptions {
  return {
    durability: pick(random, ['sync', 'sync', 'os', 'interval'] as const),
    flushMs: pick(random, [5, 200]),
    segmentBytesMax: pick(random, [4096, 6000, 8192, 16_384, 32_768]),
    segmentAgeMsMax: chance(random, 0.3) ? 500 : null,
    batchBytesMax: pick(random, [1024, 2048, 4096, 65_536]),
    queuedBytesMax: 65_536,
    cacheBytes: pick(random, [0, 4096, 1 << 20]),
    retentionMs: chance(random, 0.2) ? pick(random, [500, 5000]) : null,
    retentionBytes: chance(random, 0.2) ? pick(random, [0, 10_000, 30_000]) : null,
    onCorruption: pick(random, ['fail', 'skip', 'readonly'] as const),
  };
}

function drawFaults(random: Random, isCalm: boolean): FaultOdds {
  const odds = (rate: number) => (isCalm || chance(random, 0.6) ? 0 : rate);
  return { io: odds(0.004), sync: odds(0.04), full: odds(0.04), files: odds(0.03) };
}
