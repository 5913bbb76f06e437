/** Where the records of the common stream of an exchange go, each by the topology of its version. */
import { present } from '../core/assert.ts';
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { Routes } from './projection-pass.ts';
import { RecordRoutes } from './record-routes.ts';
import type { Topology } from './topology.ts';
import { VersionedTopology, type TopologyHistory } from './topology-history.ts';

const NOWHERE: readonly number[] = [];

/**
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
