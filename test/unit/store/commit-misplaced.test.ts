/** Logs that are not what a commit in the journal says of them: put back from an older copy. */
import { expect, test } from 'vitest';

import { readWhole, writeFully } from '../../../src/io/transfer.ts';
import { present } from '../../../src/core/assert.ts';
import { MIB } from '../../../src/core/limits.ts';
import { repairLog } from '../../../src/log/repair-log.ts';
import { flipBit } from '../../support/disk-damage.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { commit, CommitBench, contents } from '../../support/commit-bench.ts';
import { producedRun } from '../../support/tagged-runs.ts';
import { walkSegment } from '../../support/segment-walk.ts';

const CORRUPT = { code: 'ERR_VARVE_CORRUPT', details: { kind: 'chain', firstOffset: 0 } };

/** The files of a log, put in the place of those on another disk. */
async function putBack(
  path: string,
  { from, to }: { readonly from: FaultyFileSystem; readonly to: FaultyFileSystem },
): Promise<void> {
  for (const name of await to.list(path)) await to.unlink(`${path}/${name}`);
  for (const name of await from.list(path)) {
    const bytes = await readWhole(from, `${path}/${name}`, MIB);
    const file = await to.open(`${path}/${name}`, 'create');
    await writeFully(file, bytes, 0);
    await file.datasync();
    await file.close();
  }
  await to.syncDirectory(path);
}

/** A store with a commit in partition 0 of which the log itself has synced nothing. */
async function committed(bench: CommitBench): Promise<string> {
  const { store, topic } = await bench.open('os');
  const { path } = await topic.partitions.at(0).log();
  await commit({ store, topic }, [['a'], ['b'], []]);
  bench.cutPower();
  return path;
}

test('a log that holds other records where a commit stands is damaged, and its neighbours are not', async () => {
  const bench = new CommitBench();
  await (await bench.open('os')).store.close();
  const other = new CommitBench();
  other.fileSystem = bench.fileSystem.killImage({ inFlight: 'none' });
  const path = await committed(bench);
  const { topic: elsewhere } = await other.open('os');
  await elsewhere.append({ value: 'x' }, { partition: 0 });
  await putBack(path, { from: other.fileSystem.killImage(), to: bench.fileSystem });
  const { store, topic } = await bench.open('os');
  await expect(contents(topic)).rejects.toMatchObject(CORRUPT);
  await expect(contents(topic)).rejects.toThrow('the log holds other records there');
  expect((await topic.read({ partition: 1, offset: 0 }))?.value).toBe('b');
  await store.close();
  expect(bench.fileSystem.openFileCount).toBe(0);
});

/** The log of a record that a producer sent, in a commit, and the disk that has it. */
async function sentBy(bench: CommitBench, producerId: number): Promise<string> {
  const { store, topic } = await bench.open('os');
  const [append] = await topic.forCommit([{ value: 'a' }], { partition: 0 });
  const { runs, ...where } = present(append, 'one partition');
  const producer = { producerId, producerEpoch: 1, confirmed: 0 };
  const sent = runs.map(({ records }) => producedRun(records, producer, 7));
  await store.committer.commit({ appends: [{ ...where, runs: sent }], changes: [] });
  const { path } = await topic.partitions.at(0).log();
  return path;
}

test.each([
  ['another producer', 6, 'the log holds other records there'],
  ['the same producer', 5, null],
])('records that %s sent are judged by that, too', async (_who, producerId, problem) => {
  const bench = new CommitBench();
  await (await bench.open('os')).store.close();
  const other = new CommitBench();
  other.fileSystem = bench.fileSystem.killImage({ inFlight: 'none' });
  const path = await sentBy(bench, 5);
  bench.cutPower();
  await sentBy(other, producerId);
  await putBack(path, { from: other.fileSystem.killImage(), to: bench.fileSystem });
  const { topic } = await bench.open('os');
  const found = contents(topic);
  if (problem === null) expect(await found).toEqual([['a'], [], []]);
  else await expect(found).rejects.toThrow(problem);
});

test('a log that ends before a commit begins has lost what it had synced', async () => {
  const bench = new CommitBench();
  await (await bench.open('os')).store.close();
  const older = bench.fileSystem.killImage({ inFlight: 'none' });
  const { store, topic } = await bench.open('os');
  const { path } = await topic.partitions.at(0).log();
  await topic.append({ value: 'plain' }, { partition: 0 });
  await commit({ store, topic }, [['a'], ['b'], []]);
  bench.cutPower();
  await putBack(path, { from: older, to: bench.fileSystem });
  const again = await bench.open('os');
  await expect(contents(again.topic)).rejects.toThrow(
    'the journal has a commit of offsets 1 to 1, and the log ends at offset 0',
  );
});

test.each([
  ['the first', [0], ['b', 'c']],
  ['one between others', [1], ['a', 'c']],
  ['the last', [2], ['a', 'b']],
  ['two beside each other', [0, 1], ['c']],
  ['all', [0, 1, 2], []],
])(
  'a gap that a repair left in the place of commits, of %s, stays',
  async (_which, damaged, left) => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    const { path } = await topic.partitions.at(0).log();
    for (const text of ['a', 'b', 'c']) await commit({ store, topic }, [[text], [], []]);
    await topic.sync();
    const fileSystem = bench.fileSystem.killImage({ inFlight: 'none' });
    bench.fileSystem = fileSystem;
    const segment = `${path}/${'0'.repeat(20)}.log`;
    const { batches } = await walkSegment(fileSystem, segment);
    for (const at of damaged) {
      const { endPosition } = present(batches[at], 'a batch for each commit');
      flipBit(fileSystem, segment, { position: endPosition - 1 });
    }
    const { gaps } = await repairLog(path, { fileSystem });
    expect(gaps).toHaveLength(1);
    const again = await bench.open();
    expect((await contents(again.topic))[0]).toEqual(left);
    expect((await again.topic.append({ value: 'd' }, { partition: 0 })).offset).toBe(3);
    await again.store.snapshot(); // Nor does it hold up the journal.
  },
);
