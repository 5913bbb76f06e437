/** Which of the unsynced changes a power cut leaves on the disk. */
import { randomBelow } from '../../src/core/random.ts';
import type { Random } from '../../src/core/random.ts';
import type { FileSurvival, UnsyncedChange } from './file-image.ts';
import type { NameChange } from './name-image.ts';

/**
 * Of the unsynced writes and truncates, by id:
 *
 * - `only`: this write or truncate, and the truncates before it (it may need one of them).
 * - `without`: everything else. Losing a truncate loses what came after it beyond the cut.
 * - `in`: all of files whose path matches, and nothing of others.
 * - `torn`: of one write the first (`head`) or the last (`tail`) so many sectors; of the others
 *   those before it (a torn end of the file) or none.
 */
export type DataChoice =
  | 'none'
  | 'all'
  | 'random'
  | { readonly only: number }
  | { readonly without: number }
  | { readonly in: RegExp }
  | {
      readonly torn: number;
      readonly sectors: number;
      readonly end: 'head' | 'tail';
      readonly rest: 'none' | 'before';
    };

/** `upTo`: this one and all before it, as a journal in order would leave them. */
export type NameChoice =
  | 'none'
  | 'all'
  | 'random'
  | { readonly only: number }
  | { readonly without: number }
  | { readonly upTo: number };

export interface CrashChoice {
  /** Default `random`. */
  readonly data?: DataChoice;
  /** Names created, renamed and removed; default `random`. */
  readonly names?: NameChoice;
  /**
   * Size of a file whose new data is lost: `kept` grows it only over data that is there, `all`
   * over all that was written (reading zeros). Default `kept`; `random` data decides for itself.
   */
  readonly sizes?: 'kept' | 'all';
  /** Default: the file system's own. */
  readonly random?: Random;
}

/** Makes the survival of one file; called once per file and image. */
export type FileSurvivalMaker = () => FileSurvival;

/** How a choice falls for files. */
export function fileSurvivalOf(choice: CrashChoice, random: Random): FileSurvivalMaker {
  const data = choice.data ?? 'random';
  if (data === 'random') return () => randomFileSurvival(choice.random ?? random);
  const growth = choice.sizes ?? 'kept';
  const survival: FileSurvival = {
    keepsTruncate: (change) => keepsTruncate(data, change),
    keepsSector: (change, index) => keepsSector(data, change, index),
    grownSize: (change, keptEnd) => (growth === 'all' ? change.position + change.length : keptEnd),
  };
  return () => survival;
}

/** How a choice falls for names: whether a change is kept. */
export function nameSurvivalOf(choice: CrashChoice, random: Random): (n: NameChange) => boolean {
  const names = choice.names ?? 'random';
  if (names === 'random') return randomNameSurvival(choice.random ?? random);
  if (names === 'none') return () => false;
  if (names === 'all') return () => true;
  if ('only' in names) return (change) => change.id === names.only;
  if ('without' in names) return (change) => !needsChange(change, names.without);
  return (change) => change.id <= names.upTo;
}

type FixedDataChoice = Exclude<DataChoice, 'random'>;

function keepsTruncate(data: FixedDataChoice, change: UnsyncedChange): boolean {
  if (data === 'none') return false;
  if (data === 'all') return true;
  if ('only' in data) return change.id <= data.only;
  if ('without' in data) return change.id !== data.without;
  if ('in' in data) return data.in.test(change.path);
  return change.id < data.torn; // The torn write may stand where an earlier truncate cut.
}

function keepsSector(data: FixedDataChoice, change: UnsyncedChange, index: number): boolean {
  if (data === 'none') return false;
  if (data === 'all') return true;
  if ('only' in data) return change.id === data.only;
  if ('without' in data) return change.id !== data.without;
  if ('in' in data) return data.in.test(change.path);
  if (change.id !== data.torn) return data.rest === 'before' && change.id < data.torn;
  return data.end === 'head' ? index < data.sectors : index >= change.sectorCount - data.sectors;
}

function needsChange(change: NameChange, id: number): boolean {
  return change.id === id || change.needs.some((needed) => needsChange(needed, id));
}

/** Odds that a sector reached the disk; the extremes are worth as many runs as the middle. */
const SECTOR_ODDS = [0, 0.1, 0.5, 0.9, 1];
const TRUNCATE_ODDS = [0, 0.5, 1];
const NAME_ODDS = [0, 0.3, 0.6, 0.9, 1];
/** Odds that in-order writeback goes on past one more sector. */
const IN_ORDER_ODDS = 0.95;
const GROWTHS = ['kept', 'all', 'any'] as const;

function randomFileSurvival(random: Random): FileSurvival {
  const odds = pick(random, SECTOR_ODDS);
  const truncateOdds = pick(random, TRUNCATE_ODDS);
  const growth = pick(random, GROWTHS);
  const isInOrder = random.next() < 0.25;
  let isStopped = false;
  const keepsInOrder = (): boolean => {
    if (random.next() >= IN_ORDER_ODDS) isStopped = true;
    return !isStopped;
  };
  return {
    keepsTruncate: () => random.next() < truncateOdds,
    keepsSector: () => (isInOrder ? keepsInOrder() : random.next() < odds),
    grownSize(change, keptEnd) {
      if (growth === 'kept') return keptEnd;
      if (growth === 'all') return change.position + change.length;
      // The size is written back by itself: it may stop at any block, short of the data or past it.
      const blocks = randomBelow(random, change.sectorCount + 1);
      if (blocks === 0) return 0;
      const end = change.sectorsAt + (change.sectors.length / change.sectorCount) * blocks;
      return Math.min(change.position + change.length, end);
    },
  };
}

function randomNameSurvival(random: Random): (change: NameChange) => boolean {
  const odds = pick(random, NAME_ODDS);
  const isInOrder = random.next() < 1 / 3;
  let isStopped = false;
  return () => {
    const isKept = random.next() < odds;
    if (!isKept) isStopped = true;
    return isInOrder ? !isStopped : isKept;
  };
}

function pick<T>(random: Random, choices: readonly T[]): T {
  const picked = choices[randomBelow(random, choices.length)];
  if (picked === undefined) throw new Error('a choice needs candidates');
  return picked;
}
