/**
 * Does everything that one can do with a log on a forged one. What comes out may be anything that
 * a right checksum vouches for; but each call ends, with a result or an error that has a code.
 */
import { ManualClock } from '../../../src/core/clock.ts';
import { StoreError } from '../../../src/core/errors.ts';
import { BATCH_BYTES_MAX, WRITE_BUFFER_BYTES } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { utf8 } from '../../../src/codec/codec.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { Log } from '../../../src/log/log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { LOG_PATH, type Options } from './life.ts';
import { SOUND_OPTIONS, textOf } from './sound-log.ts';
import type { Tally } from './tally.ts';

/** Calls after which a reader of a log of a few kilobytes is taken to turn in a circle. */
const CALLS_MAX = 3000;
/** Batches and records that a read may yield before it must have come to an end. */
const YIELDS_MAX = 1000;
/** A batch, the window it is read through, and the buffers of a writer. */
export const ALLOCATION_MAX = 2 * BATCH_BYTES_MAX + 4 * WRITE_BUFFER_BYTES;

const WAYS: readonly Options[] = [
  { readOnly: true },
  { onCorruption: 'fail' },
  { onCorruption: 'readonly' },
  { onCorruption: 'skip' },
];

/** Opens and uses the log in every way; `make` gives a fresh copy of it. */
export async function useForged(make: () => FaultyFileSystem, tally: Tally): Promise<void> {
  const bytesBefore = process.memoryUsage().arrayBuffers;
  await bounded(make(), (fileSystem) => verifyWhole(fileSystem, tally));
  for (const options of WAYS) {
    await bounded(make(), (fileSystem) => openAndUse(fileSystem, options, tally));
  }
  const allocatedBytes = process.memoryUsage().arrayBuffers - bytesBefore;
  if (allocatedBytes > ALLOCATION_MAX) throw new Error(`${allocatedBytes} bytes were allocated`);
}

/** Runs to the end, or throws when it turns in a circle or waits for nothing. */
async function bounded(
  fileSystem: FaultyFileSystem,
  use: (fileSystem: FaultyFileSystem) => Promise<void>,
): Promise<void> {
  fileSystem.crashAt = { call: CALLS_MAX, when: 'before' };
  const outcome = await fileSystem.drive(use(fileSystem));
  if (outcome.status === 'crashed') throw new Error(`more than ${CALLS_MAX} calls`);
  if (outcome.status === 'failed') throw outcome.error;
  if (fileSystem.openFileCount > 0) throw new Error(`${fileSystem.openFileCount} files left open`);
}

async function verifyWhole(fileSystem: FaultyFileSystem, tally: Tally): Promise<void> {
  await coded(tally, async () => {
    for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
      if (event.type === 'damage') tally.count('findings of verify');
    }
  });
}

async function openAndUse(
  fileSystem: FaultyFileSystem,
  options: Options,
  tally: Tally,
): Promise<void> {
  const clock = new ManualClock(Date.UTC(2026, 0, 2));
  const random = new SeededRandom(7);
  const opened = await coded(tally, () =>
    openLog(LOG_PATH, { ...SOUND_OPTIONS, ...options, codec: utf8, fileSystem, clock, random }),
  );
  if (opened === null) return;
  tally.count('opened');
  await readAll(opened, tally);
  if (!opened.readOnly) await write(opened, tally);
  clock.advance(1000);
  await coded(tally, () => opened.close());
}

async function readAll(log: Log<string>, tally: Tally): Promise<void> {
  const { startOffset, visibleOffset } = log;
  for (const onCorruption of ['fail', 'skip'] as const) {
    await coded(tally, () => readRange(log, { onCorruption }, tally));
  }
  for (const timestamp of [0, Date.UTC(2026, 0, 1), 2 ** 52]) {
    await coded(tally, () => readRange(log, { from: { timestamp } }, tally));
  }
  const middle = Math.floor((startOffset + visibleOffset) / 2);
  for (const offset of new Set([startOffset, startOffset + 4, middle, visibleOffset - 1])) {
    if (offset < 0 || !Number.isSafeInteger(offset)) continue;
    await coded(tally, async () => {
      const record = await log.read(offset);
      if (record !== null) textOf(record);
    });
  }
}

async function readRange(
  log: Log<string>,
  options: Parameters<Log<string>['batches']>[0],
  tally: Tally,
): Promise<void> {
  let yields = 0;
  for await (const batch of log.batches(options)) {
    for (const record of batch) {
      textOf(record);
      if (++yields > YIELDS_MAX) throw new Error(`more than ${YIELDS_MAX} records`);
    }
    if (++yields > YIELDS_MAX) throw new Error(`more than ${YIELDS_MAX} batches`);
  }
  tally.count('records and batches read', yields);
}

async function write(log: Log<string>, tally: Tally): Promise<void> {
  await coded(tally, () => log.append({ value: 'behind forged data' }));
  await coded(tally, () => log.retain());
  await coded(tally, () => log.deleteBefore(Math.max(log.startOffset, log.visibleOffset - 1)));
}

/** The result; null after an error, which must have a code. @throws any other error */
async function coded<T>(tally: Tally, action: () => Promise<T>): Promise<T | null> {
  try {
    const result = await action();
    tally.count('calls that answered');
    return result;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    tally.count(`times ${error.code}`);
    return null;
  }
}
