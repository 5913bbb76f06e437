/** Ending leases together, when a part of it fails. */
import { describe, expect, test } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { openLog } from '../../../src/index.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { HeldCount } from '../../../src/queue/held-count.ts';
import { LeaseEnds, type LeaseEndsParts } from '../../../src/queue/lease-ends.ts';
import { LeaseJournal } from '../../../src/queue/lease-journal.ts';
import { Lease, LeaseList } from '../../../src/queue/lease.ts';
import { PartitionLeases } from '../../../src/queue/partition-leases.ts';
import { ReadyKind } from '../../../src/queue/ready-kind.ts';
import { shareGroupCreated, shareStarted } from '../../../src/queue/share-entries.ts';
import { newShareSettings } from '../../../src/queue/share-settings.ts';
import { shareGroups, shareId } from '../../../src/queue/share-state.ts';
import { JournalBench } from '../../support/journal-bench.ts';
import { turns } from '../../support/log-fixture.ts';

const NAME = { topicId: 1, group: 'g' };
const COUNT = 4;

/** Records 0 to 3 are leased. Those that failed before reach their limit with the next failure. */
async function setUp({ failedBefore = [] as readonly number[] } = {}) {
  const { journal, fold } = await new JournalBench().open();
  const clock = new ManualClock();
  const settings = newShareSettings({ failuresMax: 2 }, {});
  const log = await openLog('/log', { codec: bytes, fileSystem: new MemoryFileSystem(), clock });
  for (let at = 0; at < COUNT; at++) await log.append({ value: Buffer.from(String(at)) });
  await journal.append(shareGroupCreated, { ...NAME, settings, timeMs: 1 }, 'os');
  const starts = [{ partition: 0, logId: 1, offset: 0 }];
  await journal.append(shareStarted, { ...NAME, starts, timeMs: 1 }, 'os');
  const state = present(fold.get(shareGroups, shareId(NAME))?.partitions.get(0), 'it began');
  const leaseJournal = new LeaseJournal({ journal, clock });
  const name = { ...NAME, partition: 0 };
  const nothing = (): void => undefined;
  const listener = { topic: 't', settings, ready: nothing, condemned: nothing };
  const parts = { name, state, log, listener, clock, leaseJournal };
  const partition = new PartitionLeases({ ...parts, release: nothing, onDelay: nothing });
  partition.open(0);
  await leaseJournal.acquired(name, ({ offsets }) => offsets.addRun(0, COUNT));
  for (const offset of failedBefore) state.table.setFailures(state.table.find(offset), 1);
  const held = new HeldCount(() => 100);
  const list = new LeaseList();
  const kind = ReadyKind.normal;
  const leases: Lease[] = [];
  for (let offset = 0; offset < COUNT; offset++) {
    const rawRecord = present(await log.read(offset), 'it was appended');
    const claim = { partition, offset, kind, record: rawRecord, leaseNumber: 0, slot: -1 };
    partition.begin(claim, offset + 1, 30_000);
    leases.push(new Lease(claim, rawRecord, { startMs: 0, leases: list }));
    list.add(present(leases.at(-1), 'just made'));
    held.add(kind);
  }
  return { clock, settings, state, partition, leaseJournal, held, list, leases };
}

type SetUp = Awaited<ReturnType<typeof setUp>>;

/** Ends of those leases; nothing but burials and what comes back is expected. */
function makeEnds(
  { clock, settings, leaseJournal, held }: SetUp,
  { bury, onReady = fail }: Pick<LeaseEndsParts, 'bury'> & Partial<Pick<LeaseEndsParts, 'onReady'>>,
): LeaseEnds {
  return new LeaseEnds({
    clock,
    leaseJournal,
    held,
    settings: () => settings,
    durability: () => 'sync',
    bury,
    events: { expired: fail, failed: fail, died: fail, troubled: fail, recovered: fail },
    onReady,
  });
}

describe('of leases that are released together', () => {
  test('those go on whose end came to nothing, and no other', async () => {
    const prepared = await setUp({ failedBefore: [1, 2] });
    const { state, held, list, leases } = prepared;
    const buried: number[] = [];
    let readyCount = 0;
    const ends = makeEnds(prepared, {
      bury: (_partition, burials) => {
        buried.push(...burials.map(({ offset }) => offset));
        return Promise.reject(new Error('no room')); // Before the entry of the others is written.
      },
      onReady: () => readyCount++,
    });
    const how = { kind: 'release', dueMs: 0, isFailed: true, error: 'broken' } as const;
    await expect(ends.settle(leases, how)).rejects.toThrow('no room');
    expect(buried).toEqual([1, 2]);
    // 0 and 3 came back; of 1 and 2 the holder may try again.
    expect(leases.map(({ settlement }) => settlement)).toEqual(['release', null, null, 'release']);
    expect(list.toArray().map(({ offset }) => offset)).toEqual([2, 1]);
    expect(held.total).toBe(2);
    const { table } = state;
    expect({ leased: table.leasedCount, ready: table.availableCount }).toEqual({
      leased: 2,
      ready: 2,
    });
    for (const offset of [1, 2]) {
      const slot = table.find(offset);
      expect({ isPending: table.isPending(slot), isDue: table.leaseWheel.isLinked(slot) }).toEqual({
        isPending: false,
        isDue: true,
      });
    }
    await expect(ends.settle(leases, how)).rejects.toMatchObject({
      code: 'ERR_VARVE_LEASE_LOST',
      details: { offset: 0, reason: 'settled' },
    });
    expect(readyCount).toBe(0);
    await ends.settle(leases.slice(1, 3), { kind: 'undelivered' });
    expect({ held: held.total, readyCount }).toEqual({ held: 0, readyCount: 1 });
  });
});

test('a record that is condemned when the burial of others has just ended is buried, too', async () => {
  for (let steps = 0; steps < 20; steps++) {
    const prepared = await setUp();
    const { state, partition } = prepared;
    const buried: number[] = [];
    const ends = makeEnds(prepared, {
      bury: (_partition, burials) => {
        buried.push(...burials.map(({ offset }) => offset));
        return Promise.resolve();
      },
    });
    state.condemned.set(0, 'failures');
    ends.condemned(partition);
    for (let step = 0; step < steps; step++) await Promise.resolve();
    state.condemned.set(1, 'failures');
    ends.condemned(partition);
    await turns(2);
    expect(buried, `after ${steps} microtasks`).toEqual([0, 1]);
  }
});

function fail(): never {
  throw new Error('nothing of this kind happens here');
}
