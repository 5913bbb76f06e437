/** Exchanges in a store as a random topology has them, and a past for them to be routed again. */
import { present } from '../../src/core/assert.ts';
import { Sha256 } from '../../src/core/hash.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import type { Log } from '../../src/log/log.ts';
import { SOURCE_PREFIX } from '../../src/topic/topic-names.ts';
import {
  checkTopologyDocument,
  type KnownTopic,
  type TopologyDocument,
} from '../../src/routing/topology-document.ts';
import { WhatIf, type SimulateOptions } from '../../src/routing/what-if.ts';
import type { Store } from '../../src/store/store.ts';
import type { Binding, Change, Exchange, Publish, Topology } from '../rabbitmq/topology.ts';

export interface PastRecord extends Omit<Publish, 'cc' | 'bcc'> {
  readonly createTimeMs?: number;
}

/** Makes the exchanges, and the queues as topics: all that routing asks of them. */
export async function declareIn(
  store: Store,
  { exchanges, queues }: Pick<Topology, 'exchanges' | 'queues'>,
): Promise<void> {
  for (const { name, type } of exchanges) await store.exchangeCatalog.open(name, { type });
  for (const { name, alternate } of exchanges)
    await store.exchangeCatalog.setAlternate(name, alternate);
  for (const queue of queues) await store.topic(queue);
}

export async function changeIn(store: Store, { kind, binding }: Change): Promise<void> {
  const { source, destination, destinationKind, key, arguments: given } = binding;
  const to = destinationKind === 'queue' ? { topic: destination } : { exchange: destination };
  const options = { headers: { ...given } };
  if (kind === 'bind') await store.exchangeCatalog.bind(source, to, key, options);
  else await store.exchangeCatalog.unbind(source, to, key, options);
}

/** The source log of an exchange. */
export async function sourceOf(store: Store, exchange: string): Promise<Log<Uint8Array>> {
  const { partitions } = await store.topic(SOURCE_PREFIX + exchange, { create: false });
  return present(partitions.at(0), 'it has one partition').log();
}

/**
 * Publishes records to their exchanges, those of one exchange in order and in one go, and waits until
 * they are where they go.
 */
export async function publishTo(store: Store, records: readonly PastRecord[]): Promise<void> {
  for (const name of new Set(records.map(({ exchange }) => exchange))) {
    const exchange = await store.exchange(name, { create: false });
    const own = records
      .filter((record) => record.exchange === name)
      .map(({ key, headers, createTimeMs }) => ({
        value: new Uint8Array(Buffer.from(`${name} ${key}`)),
        routingKey: key,
        headers,
        createTimeMs,
      }));
    await exchange.publishBatch(own, { confirm: 'routed' });
  }
}

/** All topics of a store, as documents know them. */
export function topicsOf(store: Store): KnownTopic[] {
  const queues = new Set(store.queues().map(({ topic }) => topic));
  return store.topics().map(({ name, topicId }) => ({ name, topicId, isQueue: queues.has(name) }));
}

/** A run over the past of an exchange. */
export async function whatIf(
  store: Store,
  exchange: string,
  options: SimulateOptions,
): Promise<WhatIf> {
  const { partitions } = await store.topic(SOURCE_PREFIX + exchange);
  const source = partitions.at(0);
  const parts = { exchange, source, catalog: store.exchangeCatalog, topics: topicsOf(store) };
  return new WhatIf(parts, options);
}

/** A topology of the comparison with RabbitMQ as a document; its queues as topics. */
export function documentOf(
  exchanges: readonly Exchange[],
  bindings: Iterable<Binding>,
): TopologyDocument {
  return checkTopologyDocument({
    exchanges,
    bindings: Array.from(bindings, (binding) => ({
      exchange: binding.source,
      destination:
        binding.destinationKind === 'queue'
          ? { topic: binding.destination }
          : { exchange: binding.destination },
      pattern: binding.key,
      headers: { ...binding.arguments },
    })),
  });
}

/** Of all names and bytes under a directory, and of which files they are. */
export async function directoryHash(fileSystem: FileSystem, path: string): Promise<string> {
  const hash = new Sha256();
  const add = async (at: string): Promise<void> => {
    const { kind, sizeBytes, identity } = await fileSystem.stat(at);
    hash.add(Buffer.from(`${kind} ${at} ${identity} ${sizeBytes}\n`));
    if (kind !== 'file') {
      for (const name of (await fileSystem.list(at)).toSorted()) await add(`${at}/${name}`);
      return;
    }
    const bytes = new Uint8Array(sizeBytes);
    const file = await fileSystem.open(at, 'read');
    await file.read(bytes, 0);
    await file.close();
    hash.add(bytes);
  };
  await add(path);
  return hash.digest();
}

/** Copies a directory with all that is in it onto another disk, to the same place unless said. */
export async function copyDirectory(
  from: FileSystem,
  to: FileSystem,
  path: string,
  target = path,
): Promise<void> {
  await to.makeDirectory(target);
  for (const name of await from.list(path)) {
    const [at, there] = [`${path}/${name}`, `${target}/${name}`];
    const { kind, sizeBytes } = await from.stat(at);
    if (kind !== 'file') {
      await copyDirectory(from, to, at, there);
      continue;
    }
    const bytes = new Uint8Array(sizeBytes);
    const source = await from.open(at, 'read');
    await source.read(bytes, 0);
    await source.close();
    const copy = await to.open(there, 'create');
    await copy.write(bytes, 0);
    await copy.close();
  }
}
