/** Where records of the past go that a new binding asks for. */
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { Binding } from './binding.ts';
import type { EarlierBackfill } from './earlier-backfills.ts';
import { partitionOfCopy } from './placement.ts';
import type { Routes } from './projection-pass.ts';
import { CommonRoutes } from './stream-routes.ts';
import { TopicLists } from './topic-lists.ts';
import { TopologyHistory, type TopologyChange } from './topology-history.ts';

const NOWHERE: readonly number[] = [];

export interface BackfillRoutesParts {
  readonly history: TopologyHistory;
  /** Whose records they are. */
  readonly exchangeId: number;
  readonly binding: Binding;
  /** Asked when the first record is routed: they have ended then. */
  readonly earlier: () => readonly EarlierBackfill[];
  /** Null when the topic is gone. */
  readonly logIdOf: (topicId: number, partition: number) => number | null;
}

/** Where the binding would have led, and nothing else did, nor an earlier backfill. */
export class BackfillRoutes implements Routes {
  readonly #parts: BackfillRoutesParts;
  readonly #without: CommonRoutes;
  readonly #with: CommonRoutes;
  readonly #lists = new TopicLists();
  /** Null = nobody asked yet. */
  #earlier: EarlierRoutes[] | null = null;
  /** Of the last record. */
  #before = NOWHERE;
  #after = NOWHERE;
  #added = NOWHERE;

  constructor(parts: BackfillRoutesParts) {
    const { history, exchangeId, binding } = parts;
    this.#parts = parts;
    this.#without = new CommonRoutes(history, exchangeId);
    this.#with = new CommonRoutes(withBinding(history, binding), exchangeId);
  }

  advanceTo(version: number): void {
    this.#without.advanceTo(version);
    this.#with.advanceTo(version);
    this.#earlier = this.#known.filter((earlier) => earlier.advanceTo(version));
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
      this.#added = this.#lists.of(after.filter((topicId) => !before.includes(topicId)));
    }
    return this.#added.length === 0 ? NOWHERE : this.#notGiven(cursor, this.#added);
  }

  partitionCountOf(topicId: number): number {
    return this.#with.partitionCountOf(topicId);
  }

  release(): void {
    this.#without.release();
  }

  get #known(): readonly EarlierRoutes[] {
    const { history, exchangeId, earlier, logIdOf } = this.#parts;
    return (
      this.#earlier ??
      earlier().map((one) => new EarlierRoutes({ ...one, history, exchangeId, logIdOf }))
    );
  }

  /** Without what an earlier backfill gave. */
  #notGiven(cursor: BatchCursor, topicIds: readonly number[]): readonly number[] {
    const earlier = this.#known;
    const isGiven = (topicId: number): boolean => earlier.some((one) => one.gave(cursor, topicId));
    if (earlier.length === 0 || !topicIds.some(isGiven)) return topicIds;
    return this.#lists.of(topicIds.filter((topicId) => !isGiven(topicId)));
  }
}

interface EarlierRoutesParts
  extends EarlierBackfill, Pick<BackfillRoutesParts, 'history' | 'exchangeId' | 'logIdOf'> {}

/** What an earlier backfill of the same source gave, or found given by one before it. */
class EarlierRoutes {
  readonly #parts: EarlierRoutesParts;
  readonly #with: CommonRoutes;

  constructor(parts: EarlierRoutesParts) {
    const { history, exchangeId, binding } = parts;
    this.#parts = parts;
    this.#with = new CommonRoutes(withBinding(history, binding), exchangeId);
  }

  /** @returns whether it may have given records of this version, or of later ones */
  advanceTo(version: number): boolean {
    if (version >= this.#parts.state.beforeVersion) return false;
    this.#with.advanceTo(version);
    return true;
  }

  /** Whether a record is in a topic already, to which nothing led that was there then. */
  gave(cursor: BatchCursor, topicId: number): boolean {
    const { state, logIdOf } = this.#parts;
    const { offset } = cursor;
    if (offset < state.fromOffset || !this.#with.topicsOf(cursor).includes(topicId)) return false;
    if (state.cutLogs === null) return true;
    const partition = partitionOfCopy(cursor, offset, this.#with.partitionCountOf(topicId));
    const logId = logIdOf(topicId, partition);
    return logId !== null && offset < (state.cutLogs.get(logId) ?? 0);
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
