/**
 * From the records of a source log to the topics that they go to: what projection and what-if share.
 *
 * @hot One for each source, topology and reader. Of a record only what destinations depend on is read:
 * nothing of it, the key at the front of its headers, or all headers. Nothing is allocated for a record
 * whose key is known.
 */
import type { BatchCursor } from '../format/batch-cursor.ts';
import { decodeFurtherKeys } from '../format/further-keys.ts';
import {
  furtherKeysAt,
  ROUTING_KEY_AT,
  routingKeyAt,
  routingKeyBytes,
} from '../format/routing-header.ts';
import { Dependence, type DependenceLevel } from './exchange-node.ts';
import { KeyRoutes } from './key-routes.ts';
import type { Topology } from './topology.ts';

/** Of a record that was appended without one. */
const NO_ROUTING_KEY = '';
const NOWHERE: readonly number[] = [];

export class RecordRoutes {
  readonly #topology: Topology;
  readonly #exchangeId: number;
  readonly #known = new KeyRoutes();
  /** Of the topology, when what follows was found out. */
  #changeCount = -1;
  #depends: DependenceLevel = Dependence.headers;
  /** Where every record goes when it depends on nothing. */
  #everywhere: readonly number[] = NOWHERE;

  /** @param exchangeId  is in the topology whenever `route` is asked */
  constructor(topology: Topology, exchangeId: number) {
    this.#topology = topology;
    this.#exchangeId = exchangeId;
  }

  /**
   * Where the cursor's record goes by the topology as it is now: as `Topology.routeAll`.
   *
   * @throws CorruptLogError when its headers are needed and do not fit it
   */
  route(cursor: BatchCursor): readonly number[] {
    const topology = this.#topology;
    if (topology.changeCount !== this.#changeCount) this.#renew();
    if (this.#depends === Dependence.nothing) return this.#everywhere;
    const { bytes, headersStart, headersBytes } = cursor;
    const furtherAt = furtherKeysAt(bytes, headersStart, headersBytes);
    if (furtherAt >= 0) return this.#routeAll(cursor, furtherAt);
    if (this.#depends === Dependence.headers) {
      const key = routingKeyAt(bytes, headersStart, headersBytes) ?? NO_ROUTING_KEY;
      return topology.route(this.#exchangeId, key, cursor.headers());
    }
    const keyBytes = routingKeyBytes(bytes, headersStart, headersBytes);
    if (keyBytes < 0) return topology.route(this.#exchangeId, NO_ROUTING_KEY);
    const keyStart = headersStart + ROUTING_KEY_AT;
    const known = this.#known.get(bytes, keyStart, keyBytes);
    if (known !== null) return known;
    const key = routingKeyAt(bytes, headersStart, headersBytes) ?? NO_ROUTING_KEY;
    const topicIds = topology.route(this.#exchangeId, key);
    this.#known.put(bytes, keyStart, keyBytes, topicIds);
    return topicIds;
  }

  /** By the keys from `furtherAt` on, too. They are remembered nowhere. */
  #routeAll(cursor: BatchCursor, furtherAt: number): readonly number[] {
    const { bytes, headersStart, headersBytes } = cursor;
    const key = routingKeyAt(bytes, headersStart, headersBytes) ?? NO_ROUTING_KEY;
    const further = decodeFurtherKeys(bytes, furtherAt, headersStart + headersBytes);
    const headers = this.#depends === Dependence.headers ? cursor.headers() : null;
    return this.#topology.routeAll(this.#exchangeId, [key, ...further], headers);
  }

  #renew(): void {
    const topology = this.#topology;
    this.#changeCount = topology.changeCount;
    this.#known.clear();
    this.#depends = topology.dependenceOf(this.#exchangeId);
    const isSame = this.#depends === Dependence.nothing;
    this.#everywhere = isSame ? topology.route(this.#exchangeId, NO_ROUTING_KEY) : NOWHERE;
  }
}
