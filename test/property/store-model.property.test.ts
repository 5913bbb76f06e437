/**
 * A store with topics, consumer groups and commits over several topics against plain objects:
 * whatever is done to both, and whatever happens to the disk, they are the same.
 *
 * A new kind of command goes into one of the lists in `test/support/store-model`.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { asyncPropertyOptions, REPLAY } from '../support/property.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { tally, type StoreCommand } from '../support/store-model/command.ts';
import { commitCommands } from '../support/store-model/commit-commands.ts';
import { deleteCommands } from '../support/store-model/delete-commands.ts';
import { groupCommands } from '../support/store-model/group-commands.ts';
import { lifeCommands } from '../support/store-model/life-commands.ts';
import { emptyModel, type StoreModel } from '../support/store-model/model.ts';
import { RealStore } from '../support/store-model/real-store.ts';
import { topicCommands } from '../support/store-model/topic-commands.ts';

/** Each did something, in fifty examples. */
const EXPECTED = [
  'create find alter grow append appendBatch readOne readFrom readAll',
  'consume commit commitAt seek leave reset forget',
  'commitOver marks watched raced race delete replace',
  'reopen cut kill cutInFlight snapshot compare',
].flatMap((names) => names.split(' '));

/** So that no history is about nothing. */
async function begin(model: StoreModel, real: RealStore): Promise<void> {
  const topic = await (await real.store()).topic('orders', { codec: utf8, partitions: 2 });
  const records = Array.from({ length: 10 }, (_, at) => ({ key: null, value: `${at}` }));
  for (const record of records) await topic.append(record, { partition: 1 });
  model.topics.set('orders', { partitions: [[], records], options: {}, groups: new Map() });
}

const commands = [
  ...topicCommands,
  ...groupCommands,
  ...commitCommands,
  ...deleteCommands,
  ...lifeCommands,
];

test('a store is plain objects that survive: created, appended to, consumed, set back, cut off', async () => {
  tally.clear();
  const { numRuns = 0, ...options } = asyncPropertyOptions<[Iterable<StoreCommand>]>();
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: 'max' }), async (chosen) => {
      const real = new RealStore(await StoreDisk.make());
      const model = emptyModel();
      await begin(model, real);
      await fc.asyncModelRun(() => ({ model, real }), chosen);
      await real.compare(model);
      await real.close();
    }),
    { ...options, numRuns: Math.ceil(numRuns / 2) }, // Each takes as long as many others.
  );
  for (const name of EXPECTED)
    expect(tally.get(name) ?? 0, `${name}, ${REPLAY}`).toBeGreaterThan(5);
  expect(tally.get('records'), REPLAY).toBeGreaterThan(150);
  expect(tally.get('consumed'), REPLAY).toBeGreaterThan(150);
  expect(tally.get('committed records'), REPLAY).toBeGreaterThan(150);
});
