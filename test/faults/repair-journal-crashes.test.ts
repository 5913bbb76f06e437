/**
 * The repair of a damaged journal, killed at each of its calls: a second repair ends well, and what
 * the store knows then is what one repair in peace would have kept, as the dry run said.
 */
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openStore } from '../../src/store/open-store.ts';
import { repairJournal, type JournalRepairReport } from '../../src/store/repair-journal.ts';
import type { Store } from '../../src/store/store.ts';
import type { CrashPoint } from '../support/call-gate.ts';
import { commit } from '../support/commit-bench.ts';
import { nameOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../support/faulty-file-system.ts';
import { STORE_PATH } from '../support/store-fixture.ts';
import { SYNCED_ALONE, StoreDisk } from '../support/store-disk.ts';

const SEGMENT = `${STORE_PATH}/journal/00000000000000000000.log`;

function seams(fileSystem: FaultyFileSystem) {
  return { fileSystem, clock: new ManualClock(), random: new SeededRandom(3) };
}

/** With what it finds in directories alone. */
function repair(fileSystem: FaultyFileSystem, dryRun = false): Promise<JournalRepairReport> {
  return repairJournal(STORE_PATH, { ...seams(fileSystem), adopt: true, dryRun });
}

/**
 * A store that lost its power right after a commit: only the journal has the records of that. The
 * byte at a share of its journal is damaged.
 */
async function prepare(share: number): Promise<FaultyFileSystem> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  await topic.append({ value: 'plain' }, { partition: 0 });
  await topic.resetGroup('g', { offset: 1 }, { partitions: [0], dryRun: false });
  await store.topic('other', { codec: utf8 });
  await store.addPartitions('other', 2);
  await topic.resetGroup('h', 'earliest', { dryRun: false });
  await commit({ store, topic }, [['a'], ['b']]);
  disk.cutPower(SYNCED_ALONE);
  const { fileSystem } = disk;
  const file = await fileSystem.open(SEGMENT, 'write');
  const position = Math.floor((await fileSystem.stat(SEGMENT)).sizeBytes * share);
  const bytes = new Uint8Array(1);
  await file.read(bytes, position);
  await file.write(
    bytes.map((byte) => byte ^ 0xff),
    position,
  );
  await file.datasync();
  await file.close();
  return fileSystem;
}

/** All that can be read: topics, groups with their positions, records. */
async function shownBy(store: Store): Promise<string> {
  const lines: string[] = [];
  for (const { name, partitionCount } of store.topics()) {
    const topic = await store.topic(name, { codec: utf8 });
    for (let partition = 0; partition < partitionCount; partition++) {
      const values: (string | null)[] = [];
      for await (const { value } of topic.records({ partitions: partition })) values.push(value);
      lines.push(`${name}/${partition}: ${values.join()}`);
    }
    for (const group of store.groups().filter((one) => one.topic === name)) {
      const { partitions } = await topic.describeGroup(group.name);
      const positions = partitions.map(({ committedOffset }) => committedOffset);
      lines.push(`${name} ${group.name}: ${positions.join()}`);
    }
  }
  return lines.join('\n');
}

/** What a store shows; its damage. @throws Error when it is not closed well */
async function look(fileSystem: FaultyFileSystem) {
  const store = await openStore(STORE_PATH, seams(fileSystem));
  const shown = await shownBy(store);
  const { damage } = store;
  await store.close();
  expect(fileSystem.openFileCount).toBe(0);
  return { shown, isDamaged: damage !== null };
}

/** What a kill, or a power cut, leaves of it. */
function* disksOf(fileSystem: FaultyFileSystem, call: number) {
  const next: NextOptions = { trace: null, random: new SeededRandom(call) };
  yield { name: 'before it', fileSystem: fileSystem.killImage({ inFlight: 'none' }, next) };
  yield { name: 'behind it', fileSystem: fileSystem.killImage({ inFlight: 'all' }, next) };
  yield { name: 'only what was synced', fileSystem: fileSystem.crashImage(SYNCED_ALONE, next) };
}

interface Peaceful {
  readonly dry: JournalRepairReport;
  /** What the store shows when nobody stops the repair. */
  readonly repaired: string;
}

/** Of a disk on which the repair was killed. @returns how far it had come */
async function check(fileSystem: FaultyFileSystem, { dry, repaired }: Peaceful): Promise<string> {
  const before = await look(fileSystem.killImage({ inFlight: 'none' }));
  // Until the run is whole it is read-only; then it has all that is left.
  if (!before.isDamaged) expect(before.shown).toBe(repaired);
  const again = await repair(fileSystem);
  for (const { firstOffset, nextOffset } of again.lost) {
    const isKnown = dry.lost.some(
      (one) =>
        (one.firstOffset ?? 0) <= (firstOffset ?? 0) && (nextOffset ?? 0) <= (one.nextOffset ?? 0),
    );
    expect({ firstOffset, nextOffset, isKnown }).toMatchObject({ isKnown: true });
  }
  expect(again.misfitCount).toBeLessThanOrEqual(dry.misfitCount);
  expect(await look(fileSystem)).toEqual({ shown: repaired, isDamaged: false });
  expect(fileSystem.violations).toEqual([]);
  if (before.isDamaged) return 'the store was read-only';
  return 'the store was whole';
}

test.each([
  ['its first entry', 0.12],
  ['one in the middle', 0.55],
])('the repair of a journal may be killed anywhere: %s', async (_name, share) => {
  const prepared = await prepare(share);
  const run = async (next: NextOptions) => {
    const fileSystem = prepared.killImage({ inFlight: 'none' }, next);
    const outcome = await fileSystem.drive(repair(fileSystem));
    return { fileSystem, outcome };
  };
  const dry = await repair(prepared.killImage({ inFlight: 'none' }), true);
  expect(dry.lost.length).toBeGreaterThan(0);
  const calls: Call[] = [];
  const whole = await run({ trace: (_number, call) => void calls.push(call) });
  expect(whole.outcome).toEqual({ status: 'done', value: dry });
  const { callCount } = whole.fileSystem;
  const { shown: repaired } = await look(whole.fileSystem);
  expect(repaired).toContain('t/0: plain,a\nt/1: b\n');
  const tally = new Tally();
  const seen = new Set<string>();
  for (let call = 1; call <= callCount; call++) {
    const crashAt: CrashPoint = { call, when: 'inside' };
    const { fileSystem, outcome } = await run({ crashAt, trace: null });
    const place = `crash at call ${call} (${nameOf(calls[call - 1])})`;
    tally.count('crash points');
    expect({ place, status: outcome.status }).toEqual({ place, status: 'crashed' });
    for (const disk of disksOf(fileSystem, call)) {
      const key = imageKey(disk.fileSystem);
      if (seen.has(key)) continue;
      seen.add(key);
      try {
        tally.count(await check(disk.fileSystem, { dry, repaired }));
      } catch (error) {
        tally.fail(`${place}, ${disk.name}`, error);
      }
    }
  }
  console.log(tally.summary(`repair a journal, ${share}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('the store was read-only')).toBeGreaterThan(10);
  expect(tally.of('the store was whole')).toBeGreaterThan(3);
});
