/**
 * F3. Elsewhere: metadata that was damaged made live data look like orphans, which were deleted (NATS#7556,
 * BookKeeper#4607).
 *
 * Here: what compaction may let go is said by the headers of whole, durable segments alone. A header that is not
 * whole says nothing, files that nobody knows stay, and a pass ends in front of damage: what it would have
 * superseded, and each tombstone behind it, is kept. Nor is an offset given anew that a header counts as compared.
 *
 * Red when a pass goes on behind damage, believes a header whose checksum is wrong, or when offsets below what
 * headers call compacted are appended to again.
 */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { CorruptLogError } from '../../src/core/errors.ts';
import type { Log } from '../../src/log/log.ts';
import { repairLog } from '../../src/log/repair-log.ts';
import { contentOf, damage } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  segmentPaths,
} from '../support/log-fixture.ts';

const DAY_MS = 86_400_000;
/** Of records that fill up a segment. */
const DOTS = '.'.repeat(1000);
const COMPACTED_TO_AT = 92;
const CLEANED_TIME_AT = 100;
const COUNTS_AT = 116;

/** Each segment begins with a record of every key; in the last but one `gone` is deleted. */
const KEYS = ['a', 'b', 'gone'];

async function open(fileSystem: FaultyFileSystem, clock: ManualClock): Promise<Log<string>> {
  const log = await openTextLog(fileSystem, { clock, compaction: 'key', compactionShareMin: 1 });
  onTestFinished(() => log.close().catch(() => undefined));
  return log;
}

/** Seals the segment that is appended to. */
async function roll(log: Log<string>): Promise<void> {
  const { segmentCount } = log.stats();
  while (log.stats().segmentCount === segmentCount) {
    await log.append({ key: `filler ${log.endOffset}`, value: DOTS });
  }
}

/** Five segments, four of them sealed. */
async function setup() {
  const fileSystem = await faultyDisk();
  const clock = new ManualClock();
  const log = await open(fileSystem, clock);
  for (let segment = 0; segment < 4; segment++) {
    for (const key of KEYS) {
      const isDeleted = key === 'gone' && segment === 2;
      if (key === 'gone' && segment === 3) continue;
      await log.append({ key, value: isDeleted ? null : `${key} ${segment}` });
    }
    await roll(log);
  }
  return { fileSystem, clock, log };
}

/** Every key with a value, as it is read from the start. */
async function fold(log: Log<string>): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for await (const { key, value } of log.records()) {
    if (key === null || key.startsWith('filler')) continue;
    if (value === null) values.delete(key);
    else values.set(key, value);
  }
  return values;
}

async function contents(fileSystem: FaultyFileSystem): Promise<readonly string[]> {
  const paths = await segmentPaths(fileSystem);
  return paths.map((path) => Buffer.from(contentOf(fileSystem, path)).toString('latin1'));
}

const LAST = new Map([
  ['a', 'a 3'],
  ['b', 'b 3'],
]);

/** Changes bytes of a file. */
function put(fileSystem: FaultyFileSystem, path: string, at: number, bytes: Uint8Array): void {
  damage(fileSystem, path, (whole) => {
    const changed = Uint8Array.from(whole);
    changed.set(bytes, at);
    return changed;
  });
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

describe('F3: damage lets nothing go', () => {
  test('a file that nobody knows is left alone, whatever its name promises', async () => {
    const { fileSystem, log } = await setup();
    const names = [
      '00000000000000000000.log.old',
      '00000000000000000000.cleaned',
      'cleaner-offset',
    ];
    for (const name of names) {
      const file = await fileSystem.open(`${LOG_PATH}/${name}`, 'create');
      await file.write(Uint8Array.of(1, 2, 3), 0);
      await file.close();
    }
    await log.compact();
    await log.close();
    expect(await fileSystem.list(LOG_PATH)).toEqual(expect.arrayContaining(names));
    const again = await open(fileSystem, new ManualClock());
    expect(await fold(again)).toEqual(LAST);
    expect(await fileSystem.list(LOG_PATH)).toEqual(expect.arrayContaining(names));
  });

  test.each([0, 1, 2, 3])('stamps in a bad header of segment %i count for nothing', async (at) => {
    const { fileSystem, log, clock } = await setup();
    await log.close();
    const path = (await segmentPaths(fileSystem))[at] ?? '';
    put(fileSystem, path, COMPACTED_TO_AT, u64(1_000_000));
    put(fileSystem, path, CLEANED_TIME_AT, u64(1));
    put(fileSystem, path, COUNTS_AT, Uint8Array.of(9, 0, 0, 0, 9, 0, 0, 0));
    const before = await contents(fileSystem);
    clock.advance(30 * DAY_MS);
    const opened = await open(fileSystem, clock);
    for (let round = 0; round < 3; round++) {
      expect(await rejectionOf(opened.compact())).toBeInstanceOf(CorruptLogError);
      clock.advance(2 * DAY_MS);
    }
    const after = await contents(fileSystem);
    expect(after.slice(at, 4)).toEqual(before.slice(at, 4));
    expect(after.length).toBe(before.length);
  });

  test.each([0, 1, 2, 3])('nothing at or behind a damaged batch of segment %i goes', async (at) => {
    const { fileSystem, log, clock } = await setup();
    await log.close();
    const path = (await segmentPaths(fileSystem))[at] ?? '';
    damage(fileSystem, path, (bytes) => bytes.with(3000, (bytes[3000] ?? 0) ^ 1));
    const before = await contents(fileSystem);
    const opened = await open(fileSystem, clock);
    for (let round = 0; round < 3; round++) {
      expect(await rejectionOf(opened.compact())).toBeInstanceOf(CorruptLogError);
      clock.advance(2 * DAY_MS);
    }
    expect((await contents(fileSystem)).slice(at, 4)).toEqual(before.slice(at, 4));
    await opened.close();
    // Mended, all that was not damaged is there, and what was deleted stays so.
    await repairLog(LOG_PATH, { fileSystem });
    const mended = await open(fileSystem, clock);
    expect(await fold(mended)).toEqual(LAST);
    await mended.compact();
    clock.advance(2 * DAY_MS);
    await mended.compact();
    expect(await fold(mended)).toEqual(LAST);
  });

  test('an offset that a pass has compared is not given anew, though all that says so else is lost', async () => {
    const { fileSystem, log, clock } = await setup();
    const ending = new AbortController();
    // The first segment alone is rewritten: it says how far keys were compared.
    const onProgress = ({ phase, bytesDone }: { phase: string; bytesDone: number }) => {
      if (phase === 'rewriting' && bytesDone > 0) ending.abort(new Error('enough'));
    };
    const { signal } = ending;
    expect(await rejectionOf(log.compact({ signal, onProgress }))).toBe(signal.reason);
    await log.close();
    const [first = '', ...others] = await segmentPaths(fileSystem);
    for (const path of others) await fileSystem.unlink(path);
    damage(fileSystem, `${LOG_PATH}/checkpoint`, (bytes) => bytes.fill(0xff));
    expect(await rejectionOf(open(fileSystem, clock))).toBeInstanceOf(CorruptLogError);
    expect(await segmentPaths(fileSystem)).toEqual([first]);
    await repairLog(LOG_PATH, { fileSystem });
    const mended = await open(fileSystem, clock);
    expect(mended.endOffset).toBe(Number(others.at(-1)?.slice(-24, -4)));
  });
});
