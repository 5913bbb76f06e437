/** Many records to the default exchange: each to the queue or topic that its routing key names. */
import { argumentError } from '../core/assert.ts';
import { UnroutableError } from '../core/routing-errors.ts';
import type { RecordInput } from '../log/record-input.ts';
import { DEFAULT_EXCHANGE } from '../routing/exchange-name.ts';
import { checkRoutingKey } from '../format/routing-header.ts';
import type { DefaultPublishOptions } from '../routing/default-exchange.ts';
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
  readonly recordCount: number;
  /** By record. */
  readonly routes: readonly (readonly string[])[];
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
  const byName = new Map<string, RecordInput<Uint8Array>[]>();
  for (const [index, { routingKey, ...record }] of sent.entries()) {
    checkRoutingKey('routingKey', routingKey);
    if (record.cc !== undefined || record.bcc !== undefined) throw furtherKeys();
    if (names.has(routingKey)) {
      const before = byName.get(routingKey);
      if (before === undefined) byName.set(routingKey, [recordOf(record)]);
      else before.push(recordOf(record));
    } else if (mandatory === true) {
      throw new UnroutableError({ exchange: DEFAULT_EXCHANGE, routingKey, index });
    }
  }
  // All of them first: a store that is being closed opens no more, and then nothing was appended.
  const batches = await Promise.all(
    [...byName].map(async ([name, records]) => ({
      topic: await store.topic(name, { create: false }),
      records,
    })),
  );
  for (const { topic, records } of batches) await topic.appendBatch(records, { durability });
  const routes = sent.map(({ routingKey }) => (byName.has(routingKey) ? [routingKey] : []));
  return { baseOffset: null, recordCount: sent.length, routes };
}

function furtherKeys(): Error {
  return argumentError(TypeError, 'cc and bcc', 'left out: the default exchange takes one key', []);
}
