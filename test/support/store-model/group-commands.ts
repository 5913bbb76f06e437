/** Commands on consumer groups: reading, committing, going elsewhere, setting back, forgetting. */
import { deepStrictEqual, rejects } from 'node:assert/strict';

import * as fc from 'fast-check';

import type { ResetTo } from '../../../src/group/group-admin.ts';
import { onTopic, count, type StoreCommand, type TopicPlace } from './command.ts';
import { groupOf, positionOf, startOf, unreadBy, type ModelGroup } from './model.ts';
import { PARTITIONS_MAX, share, topicAt } from './topic-commands.ts';

interface GroupPlace extends TopicPlace {
  readonly groupName: string;
  readonly group: ModelGroup;
}

function onGroup(
  name: string,
  [at, groupName]: readonly [number, string],
  run: (place: GroupPlace) => Promise<void>,
): StoreCommand {
  return onTopic(`${name} as ${groupName}`, at, (place) =>
    run({ ...place, groupName, group: groupOf(place.topic, groupName) }),
  );
}

const which = fc.tuple(topicAt, fc.constantFrom('g', 'h'));
const partition = fc.nat(PARTITIONS_MAX - 1);

/** The member of the group, which joins when there is none. */
async function memberOf({ real, name, groupName, group }: GroupPlace) {
  group.member ??= { positions: new Map(), given: new Set() };
  return { real: await real.member(name, groupName), model: group.member };
}

/** Reads at least `wanted` records, of those that are there: whole batches, in order, no others. */
async function consume(place: GroupPlace, wanted: number): Promise<void> {
  const { topic, group } = place;
  const { real, model } = await memberOf(place);
  let left = Math.min(wanted, unreadBy(topic, group));
  if (left === 0) return;
  for await (const batch of real.batches()) {
    const at = batch.partition;
    const from = positionOf(group, at);
    deepStrictEqual(batch.baseOffset, from);
    const records = [...batch].map(({ key, value }) => ({ key, value }));
    deepStrictEqual(records, topic.partitions[at]?.slice(from, batch.nextOffset));
    model.positions.set(at, batch.nextOffset);
    model.given.add(at);
    count('consumed', records.length);
    left -= records.length;
    if (left <= 0) break;
  }
}

async function commitGiven(place: GroupPlace): Promise<void> {
  const { real, model } = await memberOf(place);
  await real.commit();
  for (const at of model.given) place.group.committed.set(at, positionOf(place.group, at));
}

async function commitAt(place: GroupPlace, at: number, offset: number): Promise<void> {
  const { topic, group } = place;
  const { real, model } = await memberOf(place);
  const records = topic.partitions[at];
  // To commit by hand sends nobody elsewhere: from now on it is known where the member stands.
  if (records !== undefined) model.positions.set(at, positionOf(group, at));
  const committed = real.commit({ partition: at, offset });
  if (records === undefined || offset > records.length) {
    await rejects(committed, { code: 'ERR_VARVE_INVALID_ARGUMENT' });
  } else {
    await committed;
    group.committed.set(at, offset);
  }
}

/** Where a reset leads. */
function targetOf(to: ResetTo, current: number, end: number): number {
  let wanted = current;
  if (to === 'earliest') wanted = 0;
  else if (to === 'latest') wanted = end;
  else if (typeof to === 'object' && 'shiftBy' in to) wanted = current + to.shiftBy;
  else if (typeof to === 'object' && 'offset' in to) wanted = to.offset;
  return Math.min(Math.max(wanted, 0), end);
}

async function reset(place: GroupPlace, to: ResetTo, dryRun: boolean): Promise<void> {
  const { topic, group, groupName, handle } = place;
  const answer = handle.resetGroup(groupName, to, { dryRun });
  if (group.member !== null) {
    await rejects(answer, { code: 'ERR_VARVE_CONFLICT' });
    return;
  }
  const expected = topic.partitions.map((records, at) => ({
    partition: at,
    from: group.committed.get(at) ?? null,
    to: targetOf(to, startOf(group, at), records.length),
  }));
  deepStrictEqual(await answer, expected);
  if (dryRun) return;
  for (const { partition: at, to: offset } of expected) group.committed.set(at, offset);
}

async function forget({ group, groupName, handle }: GroupPlace): Promise<void> {
  const answer = handle.deleteGroup(groupName);
  if (group.member !== null) await rejects(answer, { code: 'ERR_VARVE_CONFLICT' });
  else if (group.committed.size === 0) await rejects(answer, { code: 'ERR_VARVE_NOT_FOUND' });
  else {
    await answer;
    group.committed.clear();
  }
}

const resetTo: fc.Arbitrary<ResetTo> = fc.oneof(
  fc.constantFrom('earliest' as const, 'latest' as const, 'current' as const),
  fc.nat(30).map((offset) => ({ offset })),
  fc.integer({ min: -10, max: 10 }).map((shiftBy) => ({ shiftBy })),
);

export const groupCommands: fc.Arbitrary<StoreCommand>[] = [
  fc
    .tuple(which, fc.nat(60))
    .map(([at, wanted]) => onGroup(`consume ${wanted}`, at, (place) => consume(place, wanted))),
  which.map((at) => onGroup('commit all', at, commitGiven)),
  fc
    .tuple(which, partition, fc.nat(20))
    .map(([at, number, offset]) =>
      onGroup(`commitAt ${number}:${offset}`, at, (place) => commitAt(place, number, offset)),
    ),
  fc.tuple(which, partition, share).map(([at, number, to]) =>
    onGroup(`seek ${number} to ${to}`, at, async (place) => {
      const { real, model } = await memberOf(place);
      const records = place.topic.partitions[number];
      if (records === undefined) return;
      const offset = Math.floor((records.length + 1) * to);
      real.seek(number, { offset });
      model.positions.set(number, offset);
      model.given.delete(number);
    }),
  ),
  which.map((at) =>
    onGroup('leave', at, async ({ real, name, groupName, group }) => {
      await real.leave(name, groupName);
      group.member = null;
    }),
  ),
  fc
    .tuple(which, resetTo, fc.boolean())
    .map(([at, to, dryRun]) =>
      onGroup(`reset to ${JSON.stringify(to)}${dryRun ? ', dry' : ''}`, at, (place) =>
        reset(place, to, dryRun),
      ),
    ),
  which.map((at) => onGroup('forget', at, forget)),
];
