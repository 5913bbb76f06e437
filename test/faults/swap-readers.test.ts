/**
 * Readers beside a swap: each is stopped before and after each of its calls, the swap before and after each of
 * its own, one first or the other. Whatever they read is right, and all that stays is there.
 */
import { beforeAll, describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import type { Log } from '../../src/log/log.ts';
import type { ReadOptions } from '../../src/log/read-options.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { faultyDisk, settle } from '../support/log-fixture.ts';
import { Actor, StoppedCalls } from '../support/stopped-calls.ts';
import {
  appendValues,
  makeNextAt,
  openSwappable,
  sealedOf,
  TIME_OF_FIRST,
  valueAt,
} from '../support/swaps.ts';

const RECORDS = 40;
/** Which of the sealed segments is swapped. */
const SWAPPED = 1;

/** What a reader found: values by offset; null = there is no record. */
type Found = ReadonlyMap<number, string | null>;

interface Reader {
  /** Offsets that it must say something of, as far as they stay. */
  readonly wanted: (offset: number) => boolean;
  readonly read: (log: Log<string>) => Promise<Found>;
}

let prepared: FaultyFileSystem;
/** Of the segment that is swapped. */
let from: number;
let to: number;

const isKept = ({ offset }: { readonly offset: number }) => offset % 2 === 1;
const stays = (offset: number) => offset < from || offset >= to || isKept({ offset });

beforeAll(async () => {
  prepared = await faultyDisk();
  const log = await openSwappable(prepared);
  await appendValues(log, RECORDS);
  from = sealedOf(log)[SWAPPED]?.baseOffset ?? 0;
  to = log.forStore().segments.after(from)?.baseOffset ?? 0;
  await log.close();
  expect(to - from).toBeGreaterThan(8);
});

async function walk(log: Log<string>, options: ReadOptions): Promise<Found> {
  const found = new Map<number, string | null>();
  let last = -1;
  for await (const { offset, value } of log.records(options)) {
    expect(offset).toBeGreaterThan(last);
    last = offset;
    found.set(offset, value);
  }
  return found;
}

async function walkByCursor(log: Log<string>): Promise<Found> {
  const found = new Map<number, string | null>();
  await using cursor = log.cursor();
  while (await cursor.nextBatch()) {
    while (cursor.next())
      found.set(cursor.offset, utf8.decode(cursor.valueView() ?? new Uint8Array()));
  }
  return found;
}

async function readOffset(log: Log<string>, offset: number): Promise<Found> {
  return new Map([[offset, (await log.read(offset))?.value ?? null]]);
}

/** Finds the segment by its times, though no record of it may be read. */
async function readByTime(log: Log<string>): Promise<Found> {
  const found = await walk(log, { from: { timestamp: TIME_OF_FIRST + timed() } });
  for (const offset of found.keys()) expect(offset).toBeGreaterThanOrEqual(timed());
  return found;
}

/** Offsets in the segment, behind the first entries of its index: an even one goes. */
const going = () => from + 8 - (from % 2);
const staying = () => going() + 1;
const timed = () => going() + 2;

const READERS: Record<string, Reader> = {
  'a walk from the start': { wanted: () => true, read: (log) => walk(log, {}) },
  'a walk from the middle of the segment': {
    wanted: (offset) => offset >= staying(),
    read: (log) => walk(log, { from: staying() }),
  },
  'a read from a time': { wanted: (offset) => offset >= timed(), read: readByTime },
  'a cursor': { wanted: () => true, read: walkByCursor },
  'a read of a record that stays': {
    wanted: (offset) => offset === staying(),
    read: (log) => readOffset(log, staying()),
  },
  'a read of a record that goes': {
    wanted: () => false,
    read: (log) => readOffset(log, going()),
  },
};

function expectRight(found: Found, wanted: (offset: number) => boolean): void {
  for (const [offset, value] of found) {
    if (value === null) expect(stays(offset), `${offset} is missing`).toBe(false);
    else expect(value).toBe(valueAt(offset));
  }
  const missing = Array.from({ length: RECORDS }, (_, offset) => offset).filter(
    (offset) => wanted(offset) && stays(offset) && !found.has(offset),
  );
  expect(missing).toEqual([]);
}

interface Stops {
  readonly reader: number;
  readonly swap: number | null;
  readonly isReaderFirst: boolean;
  readonly isReadOnly: boolean;
}

/** @returns whether both came to where they were to be stopped */
async function interleave(reader: Reader, stops: Stops) {
  const fileSystem = prepared.killImage();
  const log = await openSwappable(fileSystem);
  const beside = stops.isReadOnly ? await openSwappable(fileSystem, { readOnly: true }) : log;
  // The index is in memory then, and the files have to be opened again.
  await walk(beside, { from: staying() });
  beside.life.dropFiles();
  const made = await makeNextAt(fileSystem, log, SWAPPED, { keeps: isKept });
  const calls = new StoppedCalls(fileSystem);
  const reading = new Actor(stops.reader);
  const swapping = new Actor(stops.swap);
  const read = () => calls.start(reading, () => reader.read(beside));
  const swap = () => calls.start(swapping, () => log.forStore().swap.swap(made));
  const before = stops.isReaderFirst ? null : await swap();
  const { ended } = await read();
  const { ended: swapped } = before ?? (await swap());
  // Somebody else notices the swap before who was stopped goes on, unless it waits for that one.
  const other = Promise.resolve(beside.read(RECORDS - 1)).then((record) => record?.value);
  await settle();
  // Whoever came second goes on first, unless it waits for what the other one has begun.
  const order = stops.isReaderFirst ? [reading, swapping] : [swapping, reading];
  for (const actor of order) {
    actor.resume();
    await settle();
  }
  expect(await swapped).toBe(true);
  expectRight(await ended, reader.wanted);
  expect(await other).toBe(valueAt(RECORDS - 1));
  await appendValues(log, 1); // A read-only handle looks at the files when the log has moved on.
  await beside.refresh();
  const now = await walk(beside, { to: RECORDS });
  expect([...now.keys()].filter((offset) => !stays(offset))).toEqual([]);
  expectRight(now, () => true);
  for (const offset of [going(), staying()]) {
    expect((await beside.read(offset))?.value ?? null).toBe(stays(offset) ? valueAt(offset) : null);
  }
  if (beside !== log) await beside.close();
  await log.close();
  await settle();
  expect(fileSystem.openFileCount).toBe(0);
  return { isReaderStopped: reading.isStopped, isSwapStopped: swapping.isStopped };
}

/** At each of their stops, and where the swap is not stopped at all. @returns how many there were */
async function everyStop(reader: Reader, isReadOnly: boolean): Promise<number> {
  let count = 0;
  for (const isReaderFirst of [true, false]) {
    for (let swap: number | null = null, isSwap = true; isSwap; swap = (swap ?? -1) + 1) {
      for (let at = 0, isReader = true; isReader; at++) {
        const stops = { reader: at, swap, isReaderFirst, isReadOnly };
        const came = await interleave(reader, stops).catch((error: unknown) => {
          throw new Error(JSON.stringify(stops), { cause: error });
        });
        isReader = came.isReaderStopped;
        isSwap = swap === null || came.isSwapStopped;
        count++;
      }
    }
  }
  return count;
}

describe.each(Object.entries(READERS))('%s beside a swap', (_, reader) => {
  test('is right in the writer, wherever either stops', async () => {
    expect(await everyStop(reader, false)).toBeGreaterThan(30);
  });

  test('is right in a read-only handle, wherever either stops', async () => {
    expect(await everyStop(reader, true)).toBeGreaterThan(30);
  });
});
