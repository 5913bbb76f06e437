/** The swap of a segment for its next generation: when it is done, when not, and what is left then. */
import { beforeEach, describe, expect, test } from 'vitest';

import { ConflictError, FailedError, LockedError } from '../../../src/core/errors.ts';
import { LOCK_FILE } from '../../../src/format/file-names.ts';
import type { Log } from '../../../src/log/log.ts';
import type { MadeSegment } from '../../../src/log/segment-swap.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { HeldCalls } from '../../support/held-calls.ts';
import { HeldReads } from '../../support/held-reads.ts';
import {
  faultyDisk,
  LOG_PATH,
  offsetsOf,
  rejectionOf,
  segmentNames,
  settle,
  valuesOf,
} from '../../support/log-fixture.ts';
import {
  appendValues,
  makeNext,
  makeNextAt,
  openSwappable,
  sealedOf,
  swapAll,
  TIME_OF_FIRST,
  valueAt,
} from '../../support/swaps.ts';

const RECORDS = 60;
const isKept = ({ offset }: { readonly offset: number }) => offset % 4 === 1;

let fileSystem: FaultyFileSystem;
let log: Log<string>;
/** Where the last segment begins: what lies below may be gone. */
let activeFrom: number;

const offsets = Array.from({ length: RECORDS }, (_, offset) => offset);
const left = () => offsets.filter((offset) => offset >= activeFrom || isKept({ offset }));
const swap = (made: MadeSegment, mayGo?: () => boolean) => log.forStore().swap.swap(made, mayGo);

async function temporaries(): Promise<string[]> {
  return (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'));
}

/** It was not swapped, and nothing is left of what was made. */
async function expectUntouched(expected = offsets): Promise<void> {
  expect(await temporaries()).toEqual([]);
  expect(await offsetsOf(log)).toEqual(expected);
  expect(sealedOf(log).some(({ isRewritten }) => isRewritten)).toBe(false);
}

beforeEach(async () => {
  fileSystem = await faultyDisk();
  log = await openSwappable(fileSystem);
  await appendValues(log, RECORDS);
  expect(sealedOf(log).length).toBeGreaterThan(2);
  activeFrom = log.forStore().segments.last?.baseOffset ?? 0;
});

describe('a swap', () => {
  test('puts the next generation in the place of each sealed segment, durably', async () => {
    const sizeBytes = log.stats().sizeBytes;
    await swapAll(fileSystem, log, { keeps: isKept });
    expect(await offsetsOf(log)).toEqual(left());
    expect(await valuesOf(log)).toEqual(left().map(valueAt));
    for (const offset of offsets) {
      const expected = left().includes(offset) ? valueAt(offset) : null;
      expect((await log.read(offset))?.value ?? null).toBe(expected);
    }
    expect(await temporaries()).toEqual([]);
    expect(log.stats().sizeBytes).toBeLessThan(sizeBytes / 2);
    const image = fileSystem.crashImage({ data: 'none', names: 'none' });
    const again = await openSwappable(image);
    expect(await offsetsOf(again)).toEqual(left());
    await again.close();
    await log.close();
    await settle();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('drops from memory what was read of the old file: single records are those of the new one', async () => {
    for (const offset of offsets) expect((await log.read(offset))?.value).toBe(valueAt(offset));
    await swapAll(fileSystem, log, { keeps: isKept });
    for (const offset of offsets) {
      const expected = left().includes(offset) ? valueAt(offset) : null;
      expect((await log.read(offset))?.value ?? null).toBe(expected);
    }
    await log.close();
  });

  test('of a segment that was swapped before: its generation goes up by one each time', async () => {
    for (const [round, keeps] of [
      (n: number) => n % 2 === 1,
      (n: number) => n % 4 === 1,
    ].entries()) {
      await swapAll(fileSystem, log, { keeps: ({ offset }) => keeps(offset) });
      expect(sealedOf(log).map(({ header }) => header?.generation)).toEqual(
        sealedOf(log).map(() => round + 1),
      );
    }
    expect(await offsetsOf(log)).toEqual(left());
    await log.close();
  });

  test('lets whoever has the old file read it to its end', async () => {
    const records = log.records();
    const read = [(await records.next()).value?.offset];
    await swapAll(fileSystem, log, { keeps: isKept });
    for await (const { offset } of records) read.push(offset);
    const first = sealedOf(log)[1]?.baseOffset ?? 0;
    expect(read).toEqual(offsets.filter((at) => at < first || left().includes(at)));
    await settle();
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });
});

describe('in the middle of a swap', () => {
  test('the segment has a name, wherever the process is killed', async () => {
    await log.close();
    const names = await segmentNames(fileSystem);
    const swapFirst = async (disk: FaultyFileSystem) => {
      const writer = await openSwappable(disk);
      const made = await makeNextAt(disk, writer, 0, { keeps: isKept });
      await writer.forStore().swap.swap(made);
      await writer.close();
    };
    const measured = fileSystem.killImage();
    await swapFirst(measured);
    for (let call = 1; call <= measured.callCount; call++) {
      const crashing = fileSystem.killImage({}, { crashAt: { call, when: 'inside' } });
      await crashing.drive(swapFirst(crashing));
      expect(await segmentNames(crashing.killImage()), `call ${call}`).toEqual(names);
    }
  });

  test('the old file serves until the new one is durable, whoever comes', async () => {
    const made = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
    const to = made.segment.statedEnd ?? 0;
    const middle = made.old.baseOffset + 6;
    expect(await valuesOf(log, { from: middle })).toEqual(offsets.slice(middle).map(valueAt));
    log.life.dropFiles(); // The index is in memory, the file has yet to be opened.
    const syncDirectory = fileSystem.syncDirectory.bind(fileSystem);
    const held = new HeldCalls();
    held.hold();
    fileSystem.syncDirectory = async (path) => {
      await held.wait(path);
      await syncDirectory(path);
    };
    const swapped = swap(made);
    await settle();
    expect(held.waiting).toHaveLength(1);
    log.life.dropFiles();
    expect(await valuesOf(log, { from: middle })).toEqual(offsets.slice(middle).map(valueAt));
    const record = Promise.resolve(log.read(middle)).then((found) => found?.value ?? null);
    await expect(record).resolves.toBe(valueAt(middle));
    held.release();
    expect(await swapped).toBe(true);
    const kept = offsets.filter((at) => at >= middle && (at >= to || isKept({ offset: at })));
    expect(await valuesOf(log, { from: middle })).toEqual(kept.map(valueAt));
    await log.close();
  });
});

describe('what was learned of the old file', () => {
  test('is forgotten when it is read while others have heard of the swap', async () => {
    const reads = new HeldReads(fileSystem, '.log');
    const going = sealedOf(log)[1]?.baseOffset ?? 0;
    const made = await makeNextAt(fileSystem, log, 1, { keeps: ({ offset }) => offset > going });
    log.life.dropFiles();
    reads.hold();
    const old = Promise.resolve(log.read(going));
    await settle();
    expect(reads.waiting).toHaveLength(1);
    expect(await swap(made)).toBe(true);
    const other = Promise.resolve(log.read(0));
    await settle();
    reads.release();
    expect((await old)?.value).toBe(valueAt(going));
    expect((await other)?.value).toBe(valueAt(0));
    // With its index in memory, what is kept of the segment is found.
    expect((await log.read(going + 9))?.value).toBe(valueAt(going + 9));
    expect(await log.read(going)).toBeNull();
    await log.close();
  });

  test('finds no time in the new one, in a read-only handle that has yet to hear of it', async () => {
    const { baseOffset } = sealedOf(log)[1] ?? { baseOffset: 0 };
    const reader = await openSwappable(fileSystem, { readOnly: true });
    const timestamp = TIME_OF_FIRST + baseOffset + 5;
    expect((await offsetsOf(reader, { from: { timestamp } }))[0]).toBe(baseOffset + 5);
    reader.life.dropFiles();
    // What is left lies where records with later times lay, and begins as theirs did.
    const keeps = ({ offset }: { readonly offset: number }) =>
      offset === baseOffset || offset >= baseOffset + 4;
    expect(await swap(await makeNextAt(fileSystem, log, 1, { keeps }))).toBe(true);
    expect((await offsetsOf(reader, { from: { timestamp } }))[0]).toBe(baseOffset + 5);
    await reader.close();
    await log.close();
  });
});

describe('nothing is swapped, and what was made is removed,', () => {
  test('when the segment was deleted since', async () => {
    const made = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    const { baseOffset } = sealedOf(log)[1] ?? made.old;
    await log.deleteBefore(baseOffset);
    expect(await swap(made)).toBe(false);
    await expectUntouched(offsets.slice(baseOffset));
    expect((await fileSystem.list(LOG_PATH)).includes(made.old.path.slice(-24))).toBe(false);
    await log.close();
  });

  test('when it was swapped by somebody else since', async () => {
    const made = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    expect(await swap(made)).toBe(true);
    const late = await makeNext(fileSystem, made.old, { keeps: () => false });
    expect(await swap(late)).toBe(false);
    expect(await temporaries()).toEqual([]);
    expect((await log.read(1))?.value).toBe(valueAt(1));
    await log.close();
  });

  test('when who is asked last says so', async () => {
    const made = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
    expect(await swap(made, () => false)).toBe(false);
    await expectUntouched();
    const again = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
    const error = new ConflictError({ kind: 'log', name: '', stored: '', requested: '' });
    const asked = swap(again, () => {
      throw error;
    });
    expect(await rejectionOf(asked)).toBe(error);
    await expectUntouched();
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('when it is the last segment, or nothing behind it is synced', async () => {
    const last = log.forStore().segments.last;
    if (last === null) throw new Error('there is none');
    expect(await swap(await makeNext(fileSystem, last, { keeps: isKept }))).toBe(false);
    await expectUntouched();
    const { segmentCount } = log.stats();
    while (log.stats().segmentCount === segmentCount) {
      const value = valueAt(log.endOffset);
      await log.append({ value }, { durability: 'os' });
    }
    await log.forStore().trimmer.idle();
    const sealed = sealedOf(log).at(-1);
    expect(sealed).toBe(last);
    expect(log.durableOffset).toBeLessThanOrEqual(log.forStore().segments.last?.baseOffset ?? 0);
    expect(await swap(await makeNext(fileSystem, last, { keeps: isKept }))).toBe(false);
    expect(await temporaries()).toEqual([]);
    await log.sync();
    expect(await swap(await makeNext(fileSystem, last, { keeps: isKept }))).toBe(true);
    await log.close();
  });

  test('when the writer has failed, also when it does so while the old file is opened', async () => {
    const made = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    const { appender } = log.forStore();
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = (...args) => {
      appender.fail(new Error('meanwhile'));
      return open(...args);
    };
    expect(await swap(made)).toBe(false);
    expect(appender.failure).not.toBeNull();
    await expectUntouched();
    const late = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    expect(await swap(late)).toBe(false);
    await expectUntouched();
    await rejectionOf(log.close());
  });
});

describe('while the log is closed', () => {
  test('a swap that has begun is done, one that waits its turn is not, both before the lock is let go', async () => {
    const first = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    const second = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
    const { swap: swapper } = log.forStore();
    const closing: Promise<void>[] = [];
    const swapped = swapper.swap(first, () => {
      closing.push(log.close());
      return true;
    });
    const waiting = swapper.swap(second);
    expect(await swapped).toBe(true);
    expect(await waiting).toBe(false);
    await Promise.all(closing);
    expect(closing).toHaveLength(1);
    expect(await temporaries()).toEqual([]);
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('and afterwards nothing is touched: the directory may be another writer’s', async () => {
    const made = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    const { swap: swapper } = log.forStore();
    await log.close();
    const { callCount } = fileSystem;
    expect(await swapper.swap(made)).toBe(false);
    expect(fileSystem.callCount).toBe(callCount);
    expect(await temporaries()).toHaveLength(1);
    log = await openSwappable(fileSystem);
    expect(await temporaries()).toEqual([]);
    await log.close();
  });

  test('a writer whose lock was taken changes nothing, and has failed', async () => {
    const made = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    await fileSystem.unlink(`${LOG_PATH}/${LOCK_FILE}`);
    expect(await rejectionOf(swap(made))).toBeInstanceOf(LockedError);
    expect(await temporaries()).toHaveLength(1); // Whose it is nobody knows.
    expect(await rejectionOf(log.append({ value: 'late' }))).toBeInstanceOf(FailedError);
    expect(await offsetsOf(log)).toEqual(offsets);
    await rejectionOf(log.close());
  });
});
