/** A journal that was repaired, and logs that needed what it lost. */
import { expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { repairJournal } from '../../../src/store/repair-journal.ts';
import { commit, CommitBench, contents } from '../../support/commit-bench.ts';
import { flipBit } from '../../support/disk-damage.ts';
import { walkSegment } from '../../support/segment-walk.ts';

test('a commit that it kept stands behind a gap where the log needed one that is lost', async () => {
  const bench = new CommitBench();
  const { store, topic } = await bench.open('os');
  await commit({ store, topic }, [['lost', 'lost'], [], []]);
  await commit({ store, topic }, [['kept'], ['kept'], []]);
  bench.cutPower(); // No log has synced any of it.
  const { fileSystem, clock, random } = bench;
  const segment = `/store/journal/${'0'.repeat(20)}.log`;
  const { batches } = await walkSegment(fileSystem, segment);
  const entry = batches.find(({ bytes }) => Buffer.from(bytes).includes('lost'));
  flipBit(fileSystem, segment, { position: present(entry, 'journaled').endPosition - 1 });
  const { lost } = await repairJournal('/store', { fileSystem, clock, random });
  expect(lost).toHaveLength(1);
  const again = await bench.open('os');
  expect(await contents(again.topic)).toEqual([['kept'], ['kept'], []]);
  expect(await again.topic.read({ partition: 0, offset: 1 })).toBeNull();
  expect((await again.topic.append({ value: 'next' }, { partition: 0 })).offset).toBe(3);
});

test('a repair says what a topic loses that it does not adopt, and adopting loses none of it', async () => {
  const bench = new CommitBench();
  const { store, topic } = await bench.open('os');
  await commit({ store, topic }, [['a'], ['b'], []]);
  await commit({ store, topic }, [[], ['c'], []]);
  bench.cutPower();
  const { fileSystem, clock, random } = bench;
  const segment = `/store/journal/${'0'.repeat(20)}.log`;
  const { batches } = await walkSegment(fileSystem, segment);
  const creation = present(batches[0], 'the first entry');
  flipBit(fileSystem, segment, { position: creation.endPosition - 1 });
  const seams = { fileSystem, clock, random };
  const dry = await repairJournal('/store', { ...seams, dryRun: true });
  expect(dry.unknown).toMatchObject([{ name: 't', isAdopted: false, owedCommits: 2 }]);
  const { unknown } = await repairJournal('/store', { ...seams, adopt: true });
  expect(unknown).toMatchObject([{ name: 't', isAdopted: true }]);
  const again = await bench.open('sync'); // Options that are lost are the defaults.
  expect(await contents(again.topic)).toEqual([['a'], ['b', 'c'], []]);
});
