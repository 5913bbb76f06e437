/** How a command of the queue's model test is made. */
import type * as fc from 'fast-check';
import type { QueueWorld } from './queue-world.ts';

/** The model is in the world: what of it is real shows in the comparisons. */
export type QueueCommand = fc.AsyncCommand<object, QueueWorld>;

/** What happened, so that the test can tell whether it did anything. */
export const tally = new Map<string, number>();

export function count(what: string, by = 1): void {
  if (by > 0) tally.set(what, (tally.get(what) ?? 0) + by);
}

export function command(name: string, run: (world: QueueWorld) => Promise<unknown>): QueueCommand {
  return {
    check: () => true,
    async run(_model, world) {
      await run(world);
      await world.settle();
    },
    toString: () => name,
  };
}
