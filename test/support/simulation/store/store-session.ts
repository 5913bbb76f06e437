/** One open store and the program that uses it, with calls in flight, each answer compared. */
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
  IoError,
} from '../../../../src/core/errors.ts';
import { LeaseLostError } from '../../../../src/core/ownership-errors.ts';
import type { ConsumerGroup } from '../../../../src/group/consumer-group.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { StoreTopic } from '../../../../src/store/store-topic.ts';
import { Life } from '../life.ts';
import { isSideTopic, QUEUE_TOPIC } from './queues/queue-topics.ts';
import type { StateChange } from './state-oracle.ts';
import { knownOptions, type KnownTopic, type StoreWorld } from './store-world.ts';

export const GROUP = 'g';
/** What stays as it is until the store is opened again. */
const STUCK: readonly string[] = [
  'journal-failed',
  'partition-failed',
  'partition-read-only',
  'commit-pending',
];

/** The group whose position is the mark of a commit. */
export function markGroup(id: number): string {
  return `mark ${id}`;
}

/** The number of the mark that a group is; null when it is none. */
export function markIdOf(group: string): number | null {
  return group === GROUP ? null : Number(group.slice(markGroup(0).length - 1));
}

/** A topic whose partitions are all open. */
export interface OpenTopic {
  readonly name: string;
  readonly handle: StoreTopic<Uint8Array>;
  readonly logs: Log<Uint8Array>[];
  member: ConsumerGroup<Uint8Array> | null;
}

/** Opens partitions that came. */
export async function openPartitions(topic: OpenTopic): Promise<void> {
  const { handle, logs } = topic;
  for (let at = logs.length; at < handle.partitionCount; at++) {
    logs.push(await openPartition(topic, at));
  }
}

/** Opens one, and makes the handle know it: appends must not wait for that. */
export async function openPartition(
  { handle }: Pick<OpenTopic, 'handle'>,
  partition: number,
): Promise<Log<Uint8Array>> {
  const log = await handle.partitions.at(partition).log();
  for await (const _ of handle.batches({ partitions: partition, from: 'latest' })) break;
  return log;
}

export class StoreSession extends Life<StoreWorld> {
  readonly store: Store;
  /** Those that everything uses. */
  readonly topics: Map<string, OpenTopic>;
  /** The topic of the queue; null = it is not there, or not open. */
  queueTopic: OpenTopic | null;
  /** How often segments of any topic were rewritten. */
  compactedCount = 0;
  /** A change of a topic is on its way: one at a time. */
  isChanging = false;

  constructor(world: StoreWorld, store: Store, open: ReadonlyMap<string, OpenTopic>) {
    super(world);
    this.store = store;
    this.topics = new Map([...open].filter(([name]) => name !== QUEUE_TOPIC));
    this.queueTopic = open.get(QUEUE_TOPIC) ?? null;
    store.on('compacted', ({ topic, partition, why, removedCount }) => {
      world.narrate(`compacted ${topic}/${partition} (${why}): ${removedCount} records less`);
      world.tally.add(`compacted-${why}`);
      this.compactedCount++;
    });
  }

  /** @param failed  called beside the complaint that what it fails with may be */
  override follow<T>(
    answer: Promise<T>,
    done: (value: T) => void | Promise<void>,
    failed: (error: unknown) => void = () => undefined,
  ): Promise<void> {
    return super.follow(answer, done, (error) => {
      this.explain(error);
      failed(error);
    });
  }

  /** As `follow`, for a change of what the journal knows. */
  change<T>(
    answer: Promise<T>,
    change: StateChange,
    done: (value: T) => void | Promise<void> = () => undefined,
  ): Promise<void> {
    const { tally, fault } = this.world;
    const wasFailed = this.store.stats().journal.state === 'failed';
    return this.follow(
      answer,
      async (value) => {
        change.answered();
        tally.add('changes');
        if (wasFailed) fault('A17', 'a change was answered after the journal had failed');
        await done(value);
      },
      (error) => {
        if (this.isRefusal(error)) change.refused();
        tally.add('failedChanges');
      },
    );
  }

  /** Whether an error of the journal says that nothing was written. */
  isRefusal(error: unknown): boolean {
    return error instanceof DiskFullError || error instanceof BackpressureError;
  }

  override isExplained(error: unknown): boolean {
    const { tally } = this.world;
    if (error instanceof DiskFullError) tally.add('diskFull');
    if (error instanceof BackpressureError) return true;
    // Where the journal failed behind an entry, the lease that it ended is gone for who closes.
    if (error instanceof LeaseLostError) return this.hasMishap;
    const isFailure = error instanceof IoError || error instanceof FailedError;
    if (!isFailure && !(error instanceof ClosedError)) return false;
    return this.hasMishap;
  }

  /** Whether all of it writes, and can be brought to an end. */
  get isWhole(): boolean {
    const { problems } = this.store.health();
    return !problems.some(({ code }) => STUCK.includes(code));
  }

  /** What members and callers see now is possible. */
  observe(): void {
    if (this.isOver) return;
    const { world } = this;
    const live = new Map<string, KnownTopic>();
    for (const { name, partitionCount, options } of this.store.topics()) {
      if (isSideTopic(name)) continue;
      live.set(name, { partitionCount, ...knownOptions(options) });
    }
    world.topics.check(live, 'while it is open');
    for (const { name, member, logs } of this.topics.values()) {
      if (member === null) continue;
      const positions = logs.flatMap((_, at) => {
        const found = member.committed(at);
        return found === null ? [] : [[at, `${found.offset} ${found.metadata}`] as const];
      });
      world.groupOracle(name).check(new Map(positions), 'while it is open');
    }
  }
}
