/** What can be asked of the process that has a store open about the settings of queues. */
import {
  choice,
  count,
  nothing,
  nullable,
  optional,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';
import { RETENTIONS, type ShareConfig, type ShareSettings } from '../queue/share-settings.ts';
import { checkNew, controlVerb } from './control-verb.ts';
import { dedupConfig } from './topic-config-shape.ts';

export const shareSettings: Shape<ShareSettings> = structWith({
  leaseMs: count,
  failuresMax: nullable(count),
  expiriesMax: nullable(count),
  leasedMax: count,
  deadLetter: nullable(text),
  deadLetterRoutingKey: nullable(text),
  retention: choice(RETENTIONS),
});

const shareConfig: Shape<ShareConfig> = struct({
  leaseMs: optional(count),
  failuresMax: optional(nullable(count)),
  expiriesMax: optional(nullable(count)),
  leasedMax: optional(count),
  deadLetter: optional(nullable(text)),
  deadLetterRoutingKey: optional(nullable(text)),
  retention: optional(choice(RETENTIONS)),
});

/** @throws ConflictError when there is a topic of this name */
export const createQueue = controlVerb({
  name: 'createQueue',
  args: struct({
    topic: text,
    partitions: count,
    durability: choice(DURABILITY_LEVELS),
    settings: shareConfig,
    dedup: dedupConfig,
  }),
  answer: nothing,
  async run(store, { topic, partitions, durability, settings, dedup }) {
    checkNew({ kind: 'queue', name: topic }, store.topics(), 'a topic of this name');
    await (await store.queue(topic, { partitions, durability, ...dedup, ...settings })).close();
    return null;
  },
});

/** With `dedup`, of its topic, too: all of it or nothing. */
export const alterShareGroup = controlVerb({
  name: 'alterShareGroup',
  args: struct({ topic: text, group: text, settings: shareConfig, dedup: optional(dedupConfig) }),
  answer: shareSettings,
  async run(store, { topic, group, settings, dedup }) {
    const handle = await store.topic(topic, { create: false });
    return handle.alterShareGroup(group, settings, dedup);
  },
});
