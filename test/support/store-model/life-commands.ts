/** Commands on the store as a whole: closing it, and what happens to it. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import * as fc from 'fast-check';

import { turns } from '../log-fixture.ts';
import { command, onTopic, type StoreCommand, type TopicPlace } from './command.ts';
import { forgetMembers, groupOf, type ModelRecord } from './model.ts';
import { topicAt } from './topic-commands.ts';

/** Cuts the power while appends and a commit are on their way, and takes over what is left. */
async function cutInFlight(place: TopicPlace, total: number, turnCount: number): Promise<void> {
  const { model, real, name, topic, handle } = place;
  const groupName = 'g';
  const group = groupOf(topic, groupName);
  const partition = topic.partitions.length - 1;
  const there = topic.partitions[partition] ?? [];
  const sent: ModelRecord[] = Array.from({ length: total }, (_, at) => ({
    key: null,
    value: `in flight ${at} ${'x'.repeat(at * 200)}`,
  }));
  const told = { appended: 0, isCommitted: false };
  const member = await real.member(name, groupName);
  for (const record of sent) {
    handle.append(record, { partition }).then(
      () => told.appended++,
      () => undefined,
    );
  }
  member.commit({ partition, offset: there.length }).then(
    () => (told.isCommitted = true),
    () => undefined,
  );
  await turns(turnCount);
  const { appended, isCommitted } = told;
  real.cutPower();
  forgetMembers(model);
  const found = await real.recordsOf(name, partition, there.length);
  ok(found.length >= appended, `${appended} were acknowledged, ${found.length} are left`);
  deepStrictEqual(found, sent.slice(0, found.length));
  const before = group.committed.get(partition) ?? null;
  const after = await committedIn(place, groupName, partition);
  const possible = isCommitted ? [there.length] : [there.length, before];
  ok(possible.includes(after), `committed at ${after}, not one of ${possible.join(', ')}`);
  if (after !== null) group.committed.set(partition, after);
  there.push(...found);
}

/** As the journal has it now. */
async function committedIn({ real, name }: TopicPlace, groupName: string, partition: number) {
  const topic = await real.topic(name); // Of the store that was opened behind the power cut.
  const listed = (await real.store()).groups();
  if (!listed.some((one) => one.topic === name && one.name === groupName)) return null;
  const { partitions } = await topic.describeGroup(groupName);
  return partitions[partition]?.committedOffset ?? null;
}

export const lifeCommands: fc.Arbitrary<StoreCommand>[] = [
  fc.constant(
    command('reopen', async (model, real) => {
      await real.close();
      forgetMembers(model);
      await real.compare(model);
    }),
  ),
  fc.constant(
    command('cut the power', async (model, real) => {
      real.cutPower();
      forgetMembers(model);
      await real.compare(model);
    }),
  ),
  fc.constant(
    command('kill', async (model, real) => {
      real.kill();
      forgetMembers(model);
      await real.compare(model);
    }),
  ),
  fc
    .tuple(topicAt, fc.integer({ min: 1, max: 8 }), fc.nat(8))
    .map(([at, total, turnCount]) =>
      onTopic(`cutInFlight ${total} appends, ${turnCount} turns on`, at, (place) =>
        cutInFlight(place, total, turnCount),
      ),
    ),
  fc.constant(
    command('snapshot', async (_model, real) => {
      await (await real.store()).snapshot();
    }),
  ),
  fc.constant(command('compare', (model, real) => real.compare(model))),
];
