/**
 * What the journal says of exchanges and their bindings. Numbers 50 to 59.
 *
 * Every change of what is routed where has a topology version, one more than the change before it, over
 * all exchanges of the store. A record is routed by the version that its batch was begun under.
 */
import {
  bytes,
  choice,
  flag,
  list,
  nullable,
  struct,
  text,
  uint,
} from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { EXCHANGE_TYPES } from './binding.ts';
import { HEADER_MATCHES } from './header-conditions.ts';

/** Names may only be added at the end. */
export const TARGET_KINDS = ['topic', 'exchange'] as const;

const changeFields = { exchangeId: uint, version: uint, timeMs: uint };

/** What an exchange is, and cannot change. */
export const exchangeFields = {
  name: text,
  type: choice(EXCHANGE_TYPES),
  /** Of its source log, which is the one partition of a topic. */
  topicId: uint,
  /** Takes records from other exchanges alone. */
  isInternal: flag,
  /** Goes with its last binding. */
  isAutoDelete: flag,
};

export const exchangeCreated = entryType({
  kind: 50,
  name: 'exchange-created',
  fields: { ...changeFields, ...exchangeFields, alternateId: nullable(uint) },
});

/** Another exchange, or none, gets what no binding matches. */
export const exchangeAltered = entryType({
  kind: 51,
  name: 'exchange-altered',
  fields: { ...changeFields, alternateId: nullable(uint) },
});

/** It takes no more, and its bindings are gone; what it took is still routed. */
export const exchangeDeleted = entryType({
  kind: 52,
  name: 'exchange-deleted',
  fields: changeFields,
});

/** What a binding is, and cannot change. */
export const bindingFields = {
  target: struct({ kind: choice(TARGET_KINDS), id: uint }),
  routingKey: text,
  headers: nullable(
    struct({
      match: choice(HEADER_MATCHES),
      conditions: list(struct({ name: text, value: nullable(bytes) })),
    }),
  ),
};

export const bindingAdded = entryType({
  kind: 53,
  name: 'binding-added',
  fields: { ...changeFields, bindingId: uint, ...bindingFields },
});

export const bindingRemoved = entryType({
  kind: 54,
  name: 'binding-removed',
  fields: { ...changeFields, bindingId: uint },
});

/** Nothing is left to be routed by versions below. */
export const topologyPruned = entryType({
  kind: 55,
  name: 'topology-pruned',
  fields: {
    exchangeIds: list(uint),
    belowVersion: uint,
    topicIds: list(uint),
    /** Nothing leads there from that version on. */
    leftTopicIds: list(uint),
  },
});

/** A topic to which a binding leads has this many partitions. */
export const destinationSized = entryType({
  kind: 56,
  name: 'destination-sized',
  fields: { topicId: uint, partitionCount: uint, version: uint, timeMs: uint },
});

/** Everything that the journal says of routing. */
export const ROUTING_ENTRY_TYPES = [
  exchangeCreated,
  exchangeAltered,
  exchangeDeleted,
  bindingAdded,
  bindingRemoved,
  topologyPruned,
  destinationSized,
];
