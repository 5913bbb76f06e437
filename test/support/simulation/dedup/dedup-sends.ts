/** The sender of ids: few of them, so that most come again, at once, in one call, and in later lives. */
import { BackpressureError, FailedError, IoError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../../../src/log/log-options.ts';
import type { TopicAppendBatchResult } from '../../../../src/topic/topic-results.ts';
import { chance, pick } from '../plan.ts';
import type { DedupSpot, SentOne } from './dedup-oracle.ts';
import {
  foundOne,
  NUMBER_HEADER,
  type DedupSession,
  type DedupTopic,
  type Input,
} from './dedup-session.ts';
import { CONFIGS, PARTITIONS, QUEUE } from './dedup-world.ts';

const IDS = 6;
const KEYS = 2;
const CONTENTS = 4;
const BATCH_MAX = 5;
/** Of records without an id. */
const WITHOUT_SHARE = 0.3;
const VALUE_BYTES_MAX = 700;

/** What of a record says which it is. */
export interface Likeness {
  readonly id: number | null;
  readonly key: number;
  readonly content: number;
}

interface SentRecord {
  readonly one: SentOne;
  readonly input: Input;
  readonly partition: number;
}

export function drawLikeness({ world: { random } }: DedupSession): Likeness {
  return {
    id: chance(random, WITHOUT_SHARE) ? null : randomBelow(random, IDS),
    key: randomBelow(random, KEYS),
    content: randomBelow(random, CONTENTS),
  };
}

/** What the engine has to take for the same; null = it equals no other. */
export function identityOf({ name }: DedupTopic, { id, key, content }: Likeness): string | null {
  const { dedupBy, dedupScope } = CONFIGS[name];
  const scope = dedupScope === 'key' ? ` of key ${key}` : '';
  if (id !== null) return `id ${id}${scope}`;
  return dedupBy === 'content' ? `content ${content}${scope}` : null;
}

/** Some calls in one turn; what they have in common meets on its way. */
export function sendSome(session: DedupSession): void {
  const { random } = session.world;
  const first = pick(random, session.topics);
  for (let left = 1 + randomBelow(random, 4); left > 0; left--) {
    const to = chance(random, 0.7) ? first : pick(random, session.topics);
    if (chance(random, 0.5)) void sendOne(session, to, drawLikeness(session));
    else void sendBatch(session, to);
  }
}

/** @returns when it has its answer; whether that was `duplicate`, or null for an error */
export async function sendOne(
  session: DedupSession,
  to: DedupTopic,
  likeness: Likeness,
): Promise<boolean | null> {
  const { world, queue } = session;
  const partition = randomBelow(world.random, PARTITIONS);
  const sent = make(session, to, { likeness, partition });
  const durability = drawDurability(session);
  const { value, ...rest } = sent.input;
  const answer =
    to.name === QUEUE
      ? queue.send(value ?? '', { ...rest, partition, durability })
      : to.topic.append(sent.input, { partition, durability });
  let duplicate: boolean | null = null;
  await session.follow(
    answer,
    (result) => {
      ({ duplicate } = result);
      return duplicate
        ? hearDuplicate(session, to, sent.one, result)
        : hearStored(session, to, sent.one, result);
    },
    (error) => hearError(session, to, { error, all: [sent] }),
  );
  return duplicate;
}

/** Into one partition, or into both. */
function sendBatch(session: DedupSession, to: DedupTopic): Promise<void> {
  const { world, queue, partitionOf } = session;
  const { random } = world;
  const partition = chance(random, 0.6) ? randomBelow(random, PARTITIONS) : undefined;
  const all = Array.from({ length: 1 + randomBelow(random, BATCH_MAX) }, () => {
    const likeness = drawLikeness(session);
    return make(session, to, { likeness, partition: partition ?? randomBelow(random, PARTITIONS) });
  });
  for (const { input, partition: own } of all) partitionOf.set(input, own);
  const inputs = all.map(({ input }) => input);
  const options = { partition, durability: drawDurability(session) };
  const answer =
    to.name === QUEUE ? queue.sendBatch(inputs, options) : to.topic.appendBatch(inputs, options);
  return session.follow(
    answer,
    (result) => hearBatch(session, to, { all, result }),
    (error) => hearError(session, to, { error, all }),
  );
}

function drawDurability({ world: { random } }: DedupSession): DurabilityLevel | undefined {
  return chance(random, 0.3) ? pick(random, DURABILITY_LEVELS) : undefined;
}

function make(
  { world }: DedupSession,
  to: DedupTopic,
  { likeness, partition }: { readonly likeness: Likeness; readonly partition: number },
): SentRecord {
  const { id, key, content } = likeness;
  const number = world.nextId();
  const identity = identityOf(to, likeness);
  const one = to.oracle.sent(number, identity, world.clock.now());
  world.narrate(`send #${number} (${identity}) to ${to.name}/${partition}`);
  const padding = 'x'.repeat((content / CONTENTS) * VALUE_BYTES_MAX);
  const input = {
    value: `content ${content} ${padding}`,
    key: `key ${key}`,
    headers: { [NUMBER_HEADER]: String(number) },
    dedupId: id === null ? undefined : `id ${id}`,
  };
  return { one, input, partition };
}

async function hearBatch(
  session: DedupSession,
  to: DedupTopic,
  parts: { readonly all: readonly SentRecord[]; readonly result: TopicAppendBatchResult },
): Promise<void> {
  const { all, result } = parts;
  const { placements, duplicates, durability, recordCount } = result;
  const next = new Map(placements.map(({ partition, baseOffset }) => [partition, baseOffset]));
  const others = new Map(duplicates.map((one) => [one.index, one]));
  for (const [index, { one, partition }] of all.entries()) {
    if (others.has(index)) continue;
    const offset = next.get(partition) ?? -1;
    next.set(partition, offset + 1);
    hearStored(session, to, one, { partition, offset, durability });
  }
  if (recordCount + others.size !== all.length) {
    session.world.fault('A9', `${all.length} sent, ${recordCount} stored, ${others.size} not`);
  }
  const heard: Promise<void>[] = [];
  for (const [index, spot] of others) {
    const one = all[index]?.one;
    if (one === undefined) continue;
    const isTwin = all.slice(0, index).some(({ one: { identity } }) => identity === one.identity);
    if (isTwin) session.world.tally.add('twins');
    const isOwn = placements.some(
      ({ partition, baseOffset }) => partition === spot.partition && spot.offset >= baseOffset,
    );
    // Told with the call, which may ask for less than what readers wait for.
    if (isOwn) to.oracle.duplicate(one, spot, durability);
    else heard.push(hearDuplicate(session, to, one, { ...spot, durability }));
  }
  await Promise.all(heard);
}

type Told = DedupSpot & { readonly durability: DurabilityLevel };

function hearStored(session: DedupSession, to: DedupTopic, one: SentOne, told: Told): void {
  const { world } = session;
  const { partition, offset, durability } = told;
  world.narrate(`stored #${one.number} at ${partition}/${offset}`);
  world.tally.add('stored');
  if (one.identity !== null && session.refusedIds.delete(`${to.name} ${one.identity}`))
    world.tally.add('freed');
  to.oracle.stored(one.number, { partition, offset }, durability);
}

/** Whoever is told of a record that is there goes and reads it. */
async function hearDuplicate(
  session: DedupSession,
  to: DedupTopic,
  one: SentOne,
  { partition, offset, durability }: Told,
): Promise<void> {
  const { world } = session;
  world.narrate(`#${one.number} is a duplicate of ${partition}/${offset}`);
  world.tally.add('duplicates');
  to.oracle.duplicate(one, { partition, offset }, durability);
  const log = session.logOf(to, partition);
  if (log.visibleOffset <= offset) {
    world.fault('A9', `${to.name}: ${partition}/${offset} is called stored, and nobody can see it`);
    return;
  }
  if (log.startOffset > offset) return; // Settled, or out of its window, since it was looked for.
  const record = await log.read(offset);
  if (record === null || session.isOver) return;
  to.oracle.confirmed(one, { ...foundOne(record), partition });
  world.tally.add('confirmed');
}

function hearError(
  session: DedupSession,
  { name, oracle }: DedupTopic,
  { error, all }: { readonly error: unknown; readonly all: readonly SentRecord[] },
): void {
  session.explain(error);
  const { tally } = session.world;
  if (!isRefusal(error)) return tally.add('unknown', all.length);
  for (const { one } of all) {
    oracle.refused(one.number);
    tally.add('refused');
    if (one.identity !== null) session.refusedIds.add(`${name} ${one.identity}`);
  }
}

/** Whether nothing of its call was appended, for certain. */
function isRefusal(error: unknown): boolean {
  if (error instanceof BackpressureError) return true;
  if (error instanceof FailedError) return !error.details.indeterminate;
  return error instanceof IoError && (error.details.appendedCount ?? 0) === 0;
}
