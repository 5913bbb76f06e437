/** The topology of a store by names. */
import {
  exportTopology,
  type KnownTopic,
  type TopologyDocument,
} from '../routing/topology-document.ts';
import type { Store } from './store.ts';

/** Where bindings may lead. */
export function knownTopics(store: Pick<Store, 'topics' | 'queues'>): readonly KnownTopic[] {
  const queues = new Set(store.queues().map(({ topic }) => topic));
  const topics = store.topics();
  return topics.map(({ name, topicId }) => ({ name, topicId, isQueue: queues.has(name) }));
}

export function topologyOf(store: Store): TopologyDocument {
  return exportTopology(store.exchangeCatalog, knownTopics(store));
}
