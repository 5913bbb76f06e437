/** The projections of all exchanges of a store: which there are, when they run, and whom they hold up. */
import type { Clock } from '../core/clock.ts';
import type { HealthBoard } from '../core/health-board.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { TrimGuard } from '../log/trim-guard.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { Partition } from '../topic/partition.ts';
import { DestinationLogs } from './destination-logs.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import { OutboxPool } from './outbox.ts';
import { Projection } from './projection.ts';
import type { Routes } from './projection-pass.ts';
import {
  COMMON_STREAM,
  lowestPosition,
  projections,
  streamId,
  type ProjectionState,
  type StreamName,
} from './projection-state.ts';
import { BackfillRoutes, CommonRoutes } from './stream-routes.ts';

export interface ProjectorParts {
  readonly journal: Journal;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly board: HealthBoard;
  readonly exchanges: ExchangeCatalog;
  readonly topics: TopicCatalog;
}

export class Projector {
  readonly destinations: DestinationLogs;
  readonly #parts: ProjectorParts;
  readonly #boxes = new OutboxPool();
  /** By the id of their stream. */
  readonly #projections = new Map<string, Projection>();
  #starting: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: ProjectorParts) {
    this.#parts = parts;
    this.destinations = new DestinationLogs(parts.fold, parts.topics);
  }

  /** Goes on, in the background, where the last process stopped. */
  start(): void {
    this.#starting = this.#resumeAll();
  }

  /** Of a stream that has not ended; null = it has. */
  of(name: StreamName): Projection | null {
    const id = streamId(name);
    const known = this.#projections.get(id);
    if (known !== undefined) return known;
    const state = this.#parts.fold.get(projections, id);
    if (state === null || this.#isClosed) return null;
    const projection = this.#make(state);
    if (projection !== null) this.#projections.set(id, projection);
    return projection;
  }

  /** Streams of an exchange: the common one first. */
  streamsOf(exchangeId: number): readonly Projection[] {
    const names = this.#states().filter((state) => state.exchangeId === exchangeId);
    return names
      .toSorted((one, two) => one.stream - two.stream)
      .flatMap((name) => this.of(name) ?? []);
  }

  /** Something was published to an exchange. Cheap. */
  poke(exchangeId: number): void {
    this.of({ exchangeId, stream: COMMON_STREAM })?.poke();
  }

  /** A stream begins. */
  begun(name: StreamName): void {
    this.of(name)?.poke();
  }

  /** An exchange takes no more: what it took is projected, then its source goes. */
  exchangeDeleted(exchangeId: number): void {
    for (const projection of this.streamsOf(exchangeId)) projection.end();
  }

  /** A topic is gone: nothing goes there any more. */
  topicDeleted(topicId: number): void {
    for (const projection of this.#projections.values()) projection.forgetTopic(topicId);
  }

  /** Who asks before records of a log go that its exchange, or another, still needs; null = nobody. */
  guardOf(topicId: number, partition: number, logId: number): TrimGuard | null {
    const allow = (offset: number): Promise<number> =>
      this.#allow({ topicId, partition, logId }, offset);
    return { allow };
  }

  /** Stops all of them. What is on its way comes to its end first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#starting;
    await Promise.all([...this.#projections.values()].map((projection) => projection.close()));
  }

  async #resumeAll(): Promise<void> {
    for (const state of this.#states()) {
      if (this.#isClosed) return;
      const { exchangeId, stream } = state;
      const source = this.#parts.exchanges.sourceOf(exchangeId);
      if (source === null) continue;
      if (stream !== COMMON_STREAM || !this.#parts.exchanges.isThere(exchangeId)) {
        this.#resumeOne(state);
        continue;
      }
      // Most exchanges have nothing to project: nothing else is opened for them.
      const endOffset = await source
        .use(async (log) => log.endOffset)
        .catch(() => Number.POSITIVE_INFINITY);
      if (endOffset > lowestPosition(state)) this.#resumeOne(state);
    }
  }

  #resumeOne(state: ProjectionState): void {
    const projection = this.of(state);
    const { exchangeId, stream } = state;
    const isOver = stream === COMMON_STREAM && !this.#parts.exchanges.isThere(exchangeId);
    if (isOver) projection?.end();
    else projection?.poke();
  }

  #states(): ProjectionState[] {
    const { fold } = this.#parts;
    return fold.ids(projections).flatMap((id) => fold.get(projections, id) ?? []);
  }

  #make(state: ProjectionState): Projection | null {
    const { exchanges } = this.#parts;
    const { exchangeId, stream, beforeVersion } = state;
    const source = exchanges.sourceOf(exchangeId);
    if (source === null) return null;
    const name = { exchangeId, stream };
    const projection = new Projection({
      ...this.#parts,
      stream: name,
      boxes: this.#boxes,
      source,
      destinations: this.destinations,
      newRoutes: () => this.#routesOf(state),
      beforeVersion,
      onChanged: () => this.#tell(projection, name),
      onEnded: () => this.#ended(name, source),
    });
    return projection;
  }

  #routesOf({ exchangeId, stream }: ProjectionState): Routes {
    const { exchanges } = this.#parts;
    if (stream === COMMON_STREAM) return new CommonRoutes(exchanges.history, exchangeId);
    return new BackfillRoutes(exchanges.history, exchangeId, exchanges.bindingOf(stream));
  }

  #ended(name: StreamName, _source: Partition): void {
    this.#projections.delete(streamId(name));
    if (name.stream !== COMMON_STREAM) return;
    this.#parts.exchanges.forgetSource(name.exchangeId);
  }

  #tell(_projection: Projection, _name: StreamName): void {
    // Health: see below.
  }

  async #allow(
    { topicId, partition, logId }: { topicId: number; partition: number; logId: number },
    offset: number,
  ): Promise<number> {
    void partition;
    void topicId;
    void logId;
    return offset;
  }
}
