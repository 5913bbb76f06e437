/** The states that a power cut may leave: the last that is known to be synced, and all since. */
import type { GroupName } from './consumers.ts';
import { NEW_ITEM, type GroupData, type Item } from './group-model.ts';

export type WorldData = Readonly<Record<GroupName, GroupData>>;

export class UnsyncedStates {
  #states: WorldData[] = [];

  /** What was journaled up to now is synced. */
  synced(state: WorldData): void {
    this.#states = [];
    this.written(state);
  }

  /** The state is another, perhaps, and what made it so may be lost. */
  written(state: WorldData): void {
    this.#states.push(structuredClone(state));
  }

  /** Leases ended: each group has entries of its own for that. */
  torn(before: WorldData, after: WorldData): void {
    for (const queue of tornStates(before.queue, after.queue)) {
      for (const audit of tornStates(before.audit, after.audit)) this.written({ queue, audit });
    }
  }

  /** A record is there, whatever is lost of what groups did. */
  arrived(partition: number): void {
    for (const { queue, audit } of this.#states) {
      for (const { partitions } of [queue, audit]) partitions[partition]?.push({ ...NEW_ITEM });
    }
  }

  latestFirst(): readonly WorldData[] {
    return this.#states.toReversed();
  }
}

/**
 * The states of a group before and after leases ended, and between: deaths have entries of their own,
 * which come before the others or behind them.
 */
function tornStates(before: GroupData, after: GroupData): readonly GroupData[] {
  const mixed = (
    tallied: GroupData,
    isAfter: (former: Item, item: Item) => boolean,
  ): GroupData => ({
    ...tallied,
    partitions: after.partitions.map((items, partition) =>
      items.map((item, offset) => {
        const former = before.partitions[partition]?.[offset] ?? item;
        return isAfter(former, item) ? item : former;
      }),
    ),
  });
  const hasDied = (former: Item, item: Item): boolean => item.state !== former.state && isEnd(item);
  const deaths = mixed(after, hasDied);
  const others = mixed(before, (former, item) => !hasDied(former, item));
  return [before, deaths, others, after];
}

function isEnd({ state }: Item): boolean {
  return state === 'dead' || state === 'settled';
}
