/** Many records to the default exchange: each to the queue or topic that its routing key names. */
import { argumentError, present } from '../core/assert.ts';
import { UnroutableError } from '../core/routing-errors.ts';
import { DEFAULT_EXCHANGE } from '../routing/exchange-name.ts';
import { checkRoutingKey } from '../format/routing-header.ts';
import type { DefaultPublishOptions } from '../routing/default-exchange.ts';
import type { DuplicateRecord, TopicRecordInput } from '../topic/topic-results.ts';
import { recordOf, type SocketRecord } from './record-verbs.ts';
import type { Store } from './store.ts';

/** Of the control verb. */
interface NamedRecord extends SocketRecord {
  readonly routingKey: string;
  readonly cc?: readonly string[] | undefined;
  readonly bcc?: readonly string[] | undefined;
}

interface Published {
  /** There is no log that all of them are in. */
  readonly baseOffset: null;
  /** All but the duplicates, also those whose key leads nowhere. */
  readonly recordCount: number;
  /** Of each record but the duplicates. */
  readonly routes: readonly (readonly string[])[];
  readonly duplicates: readonly DuplicateByName[];
}

interface DuplicateByName extends DuplicateRecord {
  readonly topic: string;
}

/** What one queue or topic is to get. */
interface Share {
  /** Where each record stands in the call. */
  readonly indexes: number[];
  readonly records: TopicRecordInput<Uint8Array>[];
}

/**
 * Appends them, one batch for each destination, in order. With `mandatory` each must name one, or none is
 * published.
 *
 * @throws as `DefaultExchange.publish`
 */
export async function publishByName(
  store: Store,
  sent: readonly NamedRecord[],
  { mandatory, durability }: Pick<DefaultPublishOptions, 'mandatory' | 'durability'>,
): Promise<Published> {
  const names = new Set(store.topics().map(({ name }) => name));
  const byName = new Map<string, Share>();
  for (const [index, { routingKey, ...record }] of sent.entries()) {
    checkRoutingKey('routingKey', routingKey);
    if (record.cc !== undefined || record.bcc !== undefined) throw furtherKeys();
    if (names.has(routingKey)) {
      const share = byName.get(routingKey) ?? { indexes: [], records: [] };
      share.indexes.push(index);
      share.records.push(recordOf(record));
      byName.set(routingKey, share);
    } else if (mandatory === true) {
      throw new UnroutableError({ exchange: DEFAULT_EXCHANGE, routingKey, index });
    }
  }
  // All of them first: a store that is being closed opens no more, and then nothing was appended.
  const batches = await Promise.all(
    [...byName].map(async ([name, share]) => ({
      topic: await store.topic(name, { create: false }),
      ...share,
    })),
  );
  const duplicates: DuplicateByName[] = [];
  for (const { topic, records, indexes } of batches) {
    const result = await topic.appendBatch(records, { durability });
    for (const { index, ...place } of result.duplicates) {
      duplicates.push({
        index: present(indexes[index], 'one for each'),
        topic: topic.name,
        ...place,
      });
    }
  }
  duplicates.sort((one, other) => one.index - other.index);
  const before = new Set(duplicates.map(({ index }) => index));
  const routes = sent
    .filter((_, index) => !before.has(index))
    .map(({ routingKey }) => (byName.has(routingKey) ? [routingKey] : []));
  return { baseOffset: null, recordCount: routes.length, routes, duplicates };
}

function furtherKeys(): Error {
  return argumentError(TypeError, 'cc and bcc', 'left out: the default exchange takes one key', []);
}
