/** How a command of the model test is made: what it does to both, and for which topic. */
import type * as fc from 'fast-check';

import { present } from '../../../src/core/assert.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { ModelTopic, StoreModel } from './model.ts';
import type { RealStore } from './real-store.ts';

export type StoreCommand = fc.AsyncCommand<StoreModel, RealStore>;

/** What is compared in the end, so that the test can tell whether it did anything. */
export const tally = new Map<string, number>();

export function count(what: string, by = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + by);
}

export function command(
  name: string,
  run: (model: StoreModel, real: RealStore) => Promise<void>,
): StoreCommand {
  return {
    check: () => true,
    async run(model, real) {
      await run(model, real);
      await real.checkLastCommit(model);
      count(name.split(' ', 1)[0] ?? name);
    },
    toString: () => name,
  };
}

/** A topic in both worlds. */
export interface TopicPlace {
  readonly model: StoreModel;
  readonly real: RealStore;
  readonly name: string;
  readonly topic: ModelTopic;
  readonly handle: StoreTopic<string>;
}

/** A command on one of the topics that are there; not run while there are none. */
export function onTopic(
  name: string,
  at: number,
  run: (place: TopicPlace) => Promise<void>,
): StoreCommand {
  const nameOf = ({ topics }: StoreModel) => [...topics.keys()][at % Math.max(1, topics.size)];
  return {
    check: ({ topics }) => topics.size > 0,
    async run(model, real) {
      const chosen = present(nameOf(model) ?? null, 'there is a topic');
      const topic = present(model.topics.get(chosen) ?? null, 'it is there');
      const handle = await real.topic(chosen);
      await run({ model, real, name: chosen, topic, handle });
      await real.checkLastCommit(model);
      count(name.split(' ', 1)[0] ?? name);
    },
    toString: () => `${name} (topic ${at})`,
  };
}
