/**
 * Damages a sound log and asks every reader of it: each record is right, or its loss is reported
 * with the file that was damaged. Never silence, never wrong data, never another error.
 */
import { ManualClock } from '../../../src/core/clock.ts';
import { CorruptLogError, type CorruptLogDetails } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { utf8 } from '../../../src/codec/codec.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { OnCorruption } from '../../../src/log/log-loader.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogGap } from '../../../src/log/recovery-report.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { imageKey } from './image-key.ts';
import { LOG_PATH } from './life.ts';
import { SOUND_OPTIONS, textOf, type SoundLog } from './sound-log.ts';

export interface Damage {
  readonly name: string;
  /** What a report may name. */
  readonly files: readonly string[];
  /** Offsets whose records may be lost. */
  readonly offsets: ReadonlySet<number>;
  readonly apply: (fileSystem: FaultyFileSystem) => void;
}

/** How the damage showed; `harmless`: every record is there and right. */
export type Verdict = 'harmless' | 'reported at open' | 'reported at read';

export interface Judgement {
  readonly verdict: Verdict;
  /** Whether `verify` found damage, also where nobody is harmed by it. */
  readonly isFound: boolean;
}

interface Case {
  readonly sound: SoundLog;
  readonly damage: Damage;
}

/** @throws Error that says which reader was deceived, and how */
export async function judge(sound: SoundLog, damage: Damage): Promise<Judgement> {
  const { fileSystem } = sound;
  const outcome = await fileSystem.drive(judgeAll({ sound, damage }));
  if (outcome.status === 'failed') throw outcome.error;
  if (outcome.status === 'crashed') throw new Error('nothing crashes here');
  return outcome.value;
}

async function judgeAll(judged: Case): Promise<Judgement> {
  const isFound = await verify(judged);
  const verdict = await openAndFail(judged);
  if (verdict === 'reported at open') {
    await openDamaged(judged, 'readonly');
    await openDamaged(judged, 'skip');
  }
  if (verdict !== 'harmless' && !isFound) throw new Error(`${verdict}, and verify finds nothing`);
  return { verdict, isFound };
}

/** The damaged disk, untouched by other readers. */
function damaged({ sound, damage }: Case): FaultyFileSystem {
  const image = sound.fileSystem.killImage({ inFlight: 'none' });
  damage.apply(image);
  return image;
}

async function verify(judged: Case): Promise<boolean> {
  const fileSystem = damaged(judged);
  let isFound = false;
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type !== 'damage') continue;
    isFound = true;
    checkFile(event.details, judged, 'verify');
  }
  return isFound;
}

async function openAndFail(judged: Case): Promise<Verdict> {
  const fileSystem = damaged(judged);
  const before = imageKey(fileSystem);
  let log: Log<string>;
  try {
    log = await openOn(fileSystem, 'fail');
  } catch (error) {
    checkError(error, judged, 'open');
    if (imageKey(fileSystem) !== before) throw new Error('a failed open changed the log');
    if (fileSystem.openFileCount > 0) throw new Error('a failed open left files open');
    return 'reported at open';
  }
  const isWhole = await checkReads(log, judged, []);
  await log.close();
  return isWhole ? 'harmless' : 'reported at read';
}

async function openDamaged(judged: Case, onCorruption: 'readonly' | 'skip'): Promise<void> {
  const fileSystem = damaged(judged);
  const log = await openOn(fileSystem, onCorruption);
  const { gaps, damage } = log.recovery;
  if (log.readOnly !== (onCorruption === 'readonly')) throw new Error(`${onCorruption} is neither`);
  if (log.readOnly && damage === null) throw new Error('read-only, and does not say why');
  if (damage !== null) checkFile(damage, judged, onCorruption);
  for (const gap of gaps) checkFile(gap, judged, onCorruption);
  await checkReads(log, judged, gaps);
  if (log.readOnly) {
    await log.close();
    return;
  }
  const { offset } = await log.append({ value: 'after the damage' });
  await log.close();
  const again = await openOn(fileSystem, 'fail');
  const { outcome } = again.recovery;
  if (outcome !== 'clean') throw new Error(`skipped, closed, and opened again as ${outcome}`);
  await checkReads(again, judged, gaps);
  const last = await again.read(offset);
  if (last?.value !== 'after the damage') throw new Error('appended behind damage, and lost');
  await again.close();
  if (fileSystem.openFileCount > 0) throw new Error('files left open');
}

/** Reads in every way. True when all records are there. */
async function checkReads(
  log: Log<string>,
  judged: Case,
  gaps: readonly LogGap[],
): Promise<boolean> {
  const end = judged.sound.records.length;
  const strict = await readRange(log, judged, { end });
  const known = [...gaps];
  const onGap = (gap: LogGap) => void known.push(gap);
  const skipping = await readRange(log, judged, { end, onGap });
  if (skipping.error !== null) throw new Error(`a skipping read fails`, { cause: skipping.error });
  checkGaps(skipping.offsets, known, judged);
  const size = judged.sound.records.filter((record) => record !== null).length;
  const isWhole = strict.error === null && strict.offsets.size === size;
  if (strict.error === null && !isWhole) checkGaps(strict.offsets, gaps, judged);
  if (isWhole !== (skipping.offsets.size === size) && strict.error === null) {
    throw new Error('strict and skipping reads disagree');
  }
  await checkPointReads(log, judged, known);
  await checkTimeReads(log, judged, gaps);
  return isWhole;
}

interface RangeRead {
  readonly offsets: ReadonlySet<number>;
  readonly error: unknown;
}

async function readRange(
  log: Log<string>,
  judged: Case,
  range: { readonly end: number; readonly onGap?: (gap: LogGap) => void },
): Promise<RangeRead> {
  const { end, onGap } = range;
  const offsets = new Set<number>();
  const to = Math.min(end, log.visibleOffset);
  const options = onGap === undefined ? { to } : { to, onCorruption: 'skip' as const, onGap };
  let previous = -1;
  try {
    for await (const batch of log.batches(options)) {
      for (const record of batch) {
        const expected = judged.sound.records[record.offset]?.text;
        if (textOf(record) !== expected)
          throw new Error(`offset ${record.offset} holds other data`);
        if (record.offset <= previous) throw new Error(`offset ${record.offset} came again`);
        previous = record.offset;
        offsets.add(record.offset);
      }
    }
  } catch (error) {
    checkError(error, judged, 'a read');
    return { offsets, error };
  }
  return { offsets, error: null };
}

/** Whatever is missing is of the damage and in a gap; whatever is there is in none. */
function checkGaps(
  offsets: ReadonlySet<number>,
  gaps: readonly LogGap[],
  { sound, damage }: Case,
): void {
  const isInGap = (offset: number) =>
    gaps.some((gap) => gap.firstOffset <= offset && offset < gap.nextOffset);
  sound.records.forEach((record, offset) => {
    if (record === null) return;
    if (offsets.has(offset) === isInGap(offset)) {
      throw new Error(
        `offset ${offset} is ${offsets.has(offset) ? 'there, in' : 'lost, in no'} gap`,
      );
    }
    if (!offsets.has(offset) && !damage.offsets.has(offset)) {
      throw new Error(`offset ${offset} is lost, though its bytes are right`);
    }
  });
}

async function checkPointReads(
  log: Log<string>,
  judged: Case,
  gaps: readonly LogGap[],
): Promise<void> {
  const { segments, records } = judged.sound;
  for (const { batches } of segments) {
    const ends = batches.filter(({ isIndex }) => !isIndex).map(({ nextOffset }) => nextOffset - 1);
    for (const offset of new Set([ends[0] ?? 0, ends.at(-1) ?? 0])) {
      if (offset >= log.visibleOffset) continue;
      try {
        const record = await log.read(offset);
        const isGap = gaps.some((gap) => gap.firstOffset <= offset && offset < gap.nextOffset);
        const expected = records[offset] ?? null;
        const isRight =
          record === null ? isGap || expected === null : textOf(record) === expected?.text;
        if (!isRight) {
          throw new Error(`read(${offset}) is ${record === null ? 'null' : 'other data'}`);
        }
      } catch (error) {
        checkError(error, judged, `read(${offset})`);
      }
    }
  }
}

/** The first record from a time on is the first that the gaps left, unless damage is reported. */
async function checkTimeReads(
  log: Log<string>,
  judged: Case,
  gaps: readonly LogGap[],
): Promise<void> {
  const { records } = judged.sound;
  const isThere = (offset: number) =>
    offset < log.visibleOffset &&
    !gaps.some((gap) => gap.firstOffset <= offset && offset < gap.nextOffset);
  for (const share of [0.6, 0.95]) {
    const timestamp = records[Math.floor(records.length * share)]?.createTimeMs ?? 0;
    const expected = records.findIndex(
      (record, offset) => (record?.createTimeMs ?? -1) >= timestamp && isThere(offset),
    );
    try {
      const found: string[] = [];
      for await (const record of log.records({ from: { timestamp }, limit: 1 })) {
        if (record.offset < records.length) found.push(textOf(record)); // Later ones are our own.
      }
      if (found[0] !== records[expected]?.text) {
        throw new Error(`the first record from ${timestamp} on is not ${expected}`);
      }
    } catch (error) {
      checkError(error, judged, `a read from ${timestamp} on`);
    }
  }
}

function checkError(error: unknown, judged: Case, where: string): void {
  if (!(error instanceof CorruptLogError)) throw error;
  checkFile(error.details, judged, where);
}

function checkFile(
  { file, position }: Pick<CorruptLogDetails, 'file' | 'position'>,
  { damage }: Case,
  where: string,
): void {
  if (!damage.files.includes(file)) {
    throw new Error(`${where} names ${file} at byte ${position}, the damage is elsewhere`);
  }
}

function openOn(fileSystem: FaultyFileSystem, onCorruption: OnCorruption): Promise<Log<string>> {
  const clock = new ManualClock(Date.UTC(2026, 0, 2));
  const random = new SeededRandom(7);
  const options = { ...SOUND_OPTIONS, codec: utf8, onCorruption };
  return openLog(LOG_PATH, { ...options, fileSystem, clock, random });
}
