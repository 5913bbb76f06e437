/** Stores that compact by themselves, driven by a clock that stands still. */
import { COMPACTION_LOOK_MS } from '../../src/core/limits.ts';
import type { Store } from '../../src/store/store.ts';
import { until } from './compacted-topic.ts';
import type { StoreBench } from './store-fixture.ts';

/** Lets the store do what it finds, as far as it gets without the clock. */
export async function quiet(): Promise<void> {
  let turns = 0;
  await until(() => ++turns > 500);
}

/** Has the store look for what is due, and do it as far as it gets without the clock. */
export async function look({ clock }: StoreBench): Promise<void> {
  clock.advance(COMPACTION_LOOK_MS);
  await quiet();
}

export async function passSeconds({ clock }: StoreBench, count: number): Promise<void> {
  for (let second = 0; second < count; second++) {
    clock.advance(1000);
    await quiet();
  }
}

/** Of each run that waits, goes on or ended: topic, reason and state. */
export function states(store: Store): string[] {
  return store.compactions().map(({ topic, why, state }) => `${topic} ${why} ${state}`);
}
