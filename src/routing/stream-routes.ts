/** Where the records of a stream go, each by the topology of its version. */
import { present } from '../core/assert.ts';
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { Binding } from './binding.ts';
import type { Routes } from './projection-pass.ts';
import { RecordRoutes } from './record-routes.ts';
import type { Topology } from './topology.ts';
import { TopologyHistory, VersionedTopology, type TopologyChange } from './topology-history.ts';

const NOWHERE: readonly number[] = [];

/**
 * Of the common stream of an exchange.
 *
 * While the version is the present one, the topology is that of the store, which all streams share; who
 * stands in the past has one of its own, as long as it is busy.
 */
export class CommonRoutes implements Routes {
  readonly #history: TopologyHistory;
  readonly #exchangeId: number;
  readonly #present: VersionedTopology | null;
  #version = -1;
  #own: VersionedTopology | null = null;
  /** The one that is used: the own, or the present one as long as that stands at the version. */
  #standing: VersionedTopology | null = null;
  #topology: Topology | null = null;
  #routes: RecordRoutes | null = null;

  /** @param now  as things are in the store; null = it is not shared */
  constructor(history: TopologyHistory, exchangeId: number, now: VersionedTopology | null = null) {
    this.#history = history;
    this.#exchangeId = exchangeId;
    this.#present = now;
  }

  advanceTo(version: number): void {
    if (version === this.#version) return;
    this.#version = version;
    this.#stand();
  }

  topicsOf(cursor: BatchCursor): readonly number[] {
    this.#check();
    return this.#routes === null ? NOWHERE : this.#routes.route(cursor);
  }

  partitionCountOf(topicId: number): number {
    this.#check();
    const count = this.#standing?.partitionCount(topicId) ?? null;
    return present(count, 'what something leads to has a size');
  }

  release(): void {
    if (this.#own === null || this.#present?.version !== this.#version) return;
    this.#own = null;
    this.#stand();
  }

  /** The present may have become the past, also in the middle of a batch. */
  #check(): void {
    if (this.#standing?.version !== this.#version) this.#stand();
  }

  #stand(): void {
    const isPresent = this.#own === null && this.#present?.version === this.#version;
    if (isPresent) this.#standing = this.#present;
    else {
      this.#own ??= new VersionedTopology(this.#history);
      this.#own.advanceTo(this.#version);
      this.#standing = this.#own;
    }
    const topology = this.#standing?.topology ?? null;
    const isThere = topology !== null && topology.exchange(this.#exchangeId) !== null;
    if (!isThere) this.#routes = null;
    else if (topology !== this.#topology || this.#routes === null) {
      this.#routes = new RecordRoutes(topology, this.#exchangeId);
    }
    this.#topology = topology;
  }
}

/** Of the past that a new binding asks for: where it would have led, and nothing else did. */
export class BackfillRoutes implements Routes {
  readonly #without: CommonRoutes;
  readonly #with: CommonRoutes;
  /** Of the last record. */
  #before = NOWHERE;
  #after = NOWHERE;
  #added = NOWHERE;

  constructor(history: TopologyHistory, exchangeId: number, binding: Binding) {
    this.#without = new CommonRoutes(history, exchangeId);
    this.#with = new CommonRoutes(withBinding(history, binding), exchangeId);
  }

  advanceTo(version: number): void {
    this.#without.advanceTo(version);
    this.#with.advanceTo(version);
    this.#before = NOWHERE;
    this.#after = NOWHERE;
    this.#added = NOWHERE;
  }

  topicsOf(cursor: BatchCursor): readonly number[] {
    const before = this.#without.topicsOf(cursor);
    const after = this.#with.topicsOf(cursor);
    // Records of one key have the same arrays.
    if (before !== this.#before || after !== this.#after) {
      this.#before = before;
      this.#after = after;
      this.#added = after.filter((topicId) => !before.includes(topicId));
    }
    return this.#added;
  }

  partitionCountOf(topicId: number): number {
    return this.#with.partitionCountOf(topicId);
  }

  release(): void {
    this.#without.release();
  }
}

/** The same past, in which a binding was there as soon as what it connects was. */
function withBinding({ changes }: TopologyHistory, binding: Binding): TopologyHistory {
  const { exchangeId, target, bindingId } = binding;
  const isEnd = (id: number): boolean =>
    id === exchangeId || (target.kind === 'exchange' && id === target.id);
  let version = 0;
  for (const change of changes) {
    const isBegin = change.kind === 'exchange-added' && isEnd(change.exchange.exchangeId);
    if (isBegin) version = Math.max(version, change.version);
  }
  const others = changes.filter(
    (change) => change.kind !== 'binding-added' || change.binding.bindingId !== bindingId,
  );
  const at = others.findIndex((change) => change.version > version);
  const added: TopologyChange[] = [{ version, kind: 'binding-added', binding }];
  // Before anything led to the topic nobody wrote down how large it was.
  const size = target.kind === 'topic' ? firstSizeOf(others, target.id) : null;
  if (size !== null && size.version > version) added.unshift({ ...size, version });
  return new TopologyHistory(others.toSpliced(at < 0 ? others.length : at, 0, ...added));
}

function firstSizeOf(changes: readonly TopologyChange[], topicId: number): TopologyChange | null {
  const isSize = (change: TopologyChange): boolean =>
    change.kind === 'destination-sized' && change.topicId === topicId;
  return changes.find(isSize) ?? null;
}
