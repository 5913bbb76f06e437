/**
 * F28. Elsewhere: a clean-shutdown marker said that a file was synced when it was not
 * (KAFKA-20979, KAFKA-13603, redpanda#10492).
 *
 * Here: neither slot of the checkpoint ever states an offset as synced, and no batch as
 * `syncedUpTo`, that a power cut at that moment could take. At every call of appends, rolls, trims
 * and a close, with every sync failing once, what the files say is compared with what is durable.
 *
 * Red when the checkpoint is written before the sync or states the written end, when a batch does,
 * or when a sync is taken to cover writes that finished after it was issued.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { checkpointSlotPosition, parseCheckpointSlot } from '../../src/format/checkpoint.ts';
import type { BatchHeader } from '../../src/format/batch-header.ts';
import { emptyBatchHeader, readBatchHeader } from '../../src/format/batch-header.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, MAGIC_AT } from '../../src/format/layout.ts';
import { viewOf } from '../../src/format/u64.ts';
import type { DurabilityLevel } from '../../src/log/log-options.ts';
import { contentOf } from '../support/disk-damage.ts';
import type { Call } from '../support/fault-plan.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  driven,
  LOG_PATH,
  openTextLog,
  segmentPaths,
  settle,
  textAt,
  turns,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

const CHECKPOINT = join(LOG_PATH, 'checkpoint');
const NEXT = { schedule: null } as const;

/** At a call that finds a higher claim: what the files state to be synced, and what a power cut then leaves. */
interface Sight {
  readonly call: string;
  readonly claimed: number;
  readonly image: FaultyFileSystem;
}

/** The highest offset that either slot states as synced; 0 without a valid slot. */
function claimIn(fileSystem: FaultyFileSystem): number {
  const bytes = contentOf(fileSystem, CHECKPOINT);
  const claims = [0, 1].map((slot) => {
    const { checkpoint } = parseCheckpointSlot(bytes, checkpointSlotPosition(slot));
    return checkpoint?.syncedOffset ?? 0;
  });
  return Math.max(...claims);
}

/** The batches in the bytes of one write. */
function* batchesIn(bytes: Uint8Array): Generator<BatchHeader> {
  const view = viewOf(bytes);
  for (let at = 0; at + BATCH_HEADER_BYTES <= bytes.length;) {
    if (view.getUint32(at + MAGIC_AT, true) !== BATCH_MAGIC) return;
    const header = emptyBatchHeader();
    readBatchHeader(view, at, header);
    yield header;
    at += header.sizeBytes;
  }
}

/** A disk that is looked at before each call, once the log has its checkpoint. */
async function watchedDisk(seed: number | null) {
  const sights: Sight[] = [];
  let callCount = 0;
  let watched: FaultyFileSystem | null = null;
  const trace = (number: number, call: Call): void => {
    if (watched === null) return;
    const { operation, path, bytes } = call;
    const isBatch = operation === 'write' && path.endsWith('.log') && bytes !== undefined;
    const headers = isBatch ? [...batchesIn(bytes)] : [];
    const claimed = Math.max(claimIn(watched), ...headers.map((header) => header.syncedUpTo));
    callCount++;
    if (claimed <= (sights.at(-1)?.claimed ?? 0)) return; // What was durable stays so.
    const image = watched.crashImage({ data: 'none', names: 'none' }, { ...NEXT, trace: null });
    sights.push({ call: `${number} ${operation} ${path}`, claimed, image });
  };
  const disk = new FaultyFileSystem({ random: new SeededRandom(1), trace });
  await disk.makeDirectory(LOG_PATH);
  await disk.syncDirectory('/');
  const log = await openTextLog(disk);
  await log.close();
  const schedule = seed === null ? null : { random: new SeededRandom(seed) };
  watched = disk.killImage({}, { trace, schedule });
  return { fileSystem: watched, sights, calls: () => callCount };
}

/** First offset that a power cut took, walking from the first segment that is left. */
async function durableEnd(image: FaultyFileSystem): Promise<number> {
  let end = 0;
  for (const path of await segmentPaths(image)) {
    const base = Number(path.slice(-24, -4));
    if (end > 0 && base !== end) break;
    const segment = await walkSegment(image, path).catch(() => null);
    end = segment?.batches.at(-1)?.nextOffset ?? base;
  }
  return end;
}

/** Two callers, out of step, at every level, over rolls, with a trim; both end when one fails. */
async function live(fileSystem: FaultyFileSystem, clock: ManualClock): Promise<number> {
  const log = await openTextLog(fileSystem, { clock });
  const append = (durability: DurabilityLevel) =>
    log.append({ value: textAt(log.endOffset) }, { durability });
  const caller = async (levels: readonly DurabilityLevel[], pauses: readonly number[]) => {
    for (let n = 0; n < 16; n++) {
      await turns(pauses[n % pauses.length] ?? 0);
      await append(levels[n % levels.length] ?? 'sync');
      if (n === 12 && levels.length === 1) await log.deleteBefore(log.syncedOffset - 4);
      clock.advance(10);
    }
  };
  const callers = [caller(['sync'], [0, 3, 1]), caller(['os', 'sync', 'interval'], [2, 0, 1, 4])];
  try {
    await Promise.all(callers);
  } finally {
    await Promise.allSettled(callers);
    await log.close();
  }
  return log.endOffset;
}

async function expectNoClaimAboveTheDisk(sights: readonly Sight[]): Promise<number> {
  let highest = 0;
  for (const { call, claimed, image } of sights) {
    const durable = await durableEnd(image);
    expect(claimed, `before call ${call}`).toBeLessThanOrEqual(durable);
    highest = Math.max(highest, claimed);
  }
  return highest;
}

describe('F28: what is stated as synced is on the disk', () => {
  test('at every call of appends, rolls, a trim and a close', async () => {
    const { fileSystem, sights, calls } = await watchedDisk(null);
    const end = await live(fileSystem, new ManualClock());
    expect(calls()).toBeGreaterThan(80);
    expect(sights.length).toBeGreaterThan(10);
    expect(await expectNoClaimAboveTheDisk(sights)).toBe(end);
  });

  test.each([1, 2, 3, 4])('on a slow disk that reorders, schedule %i', async (seed) => {
    const { fileSystem, sights, calls } = await watchedDisk(seed);
    const clock = new ManualClock();
    const end = await driven(fileSystem, live(fileSystem, clock), clock);
    expect(calls()).toBeGreaterThan(80);
    expect(sights.length).toBeGreaterThan(10);
    expect(await expectNoClaimAboveTheDisk(sights)).toBe(end);
  });

  test.each(['datasync', 'syncDirectory'] as const)('when any %s fails once', async (operation) => {
    let failures = 0;
    for (let skip = 0; ; skip++) {
      const { fileSystem, sights } = await watchedDisk(null);
      fileSystem.addFault({ errno: 'EIO', operations: [operation], skip });
      const error: unknown = await live(fileSystem, new ManualClock()).then(
        () => null,
        (reason: unknown) => reason,
      );
      await settle();
      await expectNoClaimAboveTheDisk(sights);
      if (error === null) break; // There are no more than `skip` of them.
      expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_VARVE_(?:FAILED|IO)$/) });
      failures++;
    }
    expect(failures).toBeGreaterThan(operation === 'datasync' ? 15 : 3);
  });
});
