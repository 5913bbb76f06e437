/** The projections of all exchanges of a store: which there are, when they run, and what they need. */
import { present } from '../core/assert.ts';
import { Bell } from '../core/bell.ts';
import type { Clock } from '../core/clock.ts';
import type { HealthBoard } from '../core/health-board.ts';
import { Mutex } from '../core/mutex.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { TrimGuard } from '../log/trim-guard.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import { BackfillRoutes } from './backfill-routes.ts';
import { DestinationLogs } from './destination-logs.ts';
import { earlierBackfills, waitsForEarlier } from './earlier-backfills.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import type { StreamStats } from './exchange-stats.ts';
import { HistoryPruner } from './history-pruner.ts';
import { OutboxPool } from './outbox.ts';
import { Projection } from './projection.ts';
import { ProjectionHealth } from './projection-health.ts';
import type { Routes } from './projection-pass.ts';
import {
  COMMON_STREAM,
  lowestPosition,
  projections,
  streamId,
  type ProjectionState,
  type StreamName,
} from './projection-state.ts';
import { Rebuild, type RebuildOptions, type RebuildReport } from './rebuild.ts';
import type { RebuildWay } from './rebuild-inputs.ts';
import type { RoutedBefore, RoutedRecord } from './routed-waiters.ts';
import { CommonRoutes } from './stream-routes.ts';
import type { TopologyObserver } from './topology-observer.ts';

/** A new exchange waits so long for what is left of one that had its name. */
const DRAIN_MS_MAX = 5000;

export interface ProjectorParts {
  readonly journal: Journal;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly board: HealthBoard;
  readonly exchanges: ExchangeCatalog;
  readonly topics: TopicCatalog;
}

export class Projector implements TopologyObserver {
  readonly #parts: ProjectorParts;
  readonly destinations: DestinationLogs;
  readonly #health: ProjectionHealth;
  readonly #boxes = new OutboxPool();
  /** By the id of their stream. */
  readonly #projections = new Map<string, Projection>();
  /** Those of common streams by their exchange: whoever publishes looks here. */
  readonly #common = new Map<number, Projection>();
  readonly #drained = new Bell();
  readonly #pruner: HistoryPruner;
  /** One after the other. */
  readonly #rebuilds = new Mutex();
  #starting: Promise<void> = Promise.resolve();
  #dropping: Promise<unknown> = Promise.resolve();
  #isStarted = false;
  #isClosed = false;

  constructor(parts: ProjectorParts) {
    this.#parts = parts;
    this.destinations = new DestinationLogs(parts.fold, parts.topics);
    this.#health = new ProjectionHealth(parts.board, parts.exchanges.sources, this.destinations);
    this.#pruner = new HistoryPruner({
      ...parts,
      exchangeIds: () => this.#states().map(({ exchangeId }) => exchangeId),
    });
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  /** Goes on, in the background, where the last process stopped. Without it nothing is projected. */
  start(): void {
    this.#isStarted = true;
    this.#starting = this.#resumeAll();
  }

  /** Of a stream that has not ended; null = it has, or nothing is projected here. */
  of(name: StreamName): Projection | null {
    const id = streamId(name);
    const known = this.#projections.get(id);
    if (known !== undefined || !this.#isStarted || this.#isClosed) return known ?? null;
    const state = this.#parts.fold.get(projections, id);
    if (state === null || !this.#counts(state)) return null;
    const projection = this.#make(state);
    if (projection === null) return null;
    this.#projections.set(id, projection);
    if (name.stream === COMMON_STREAM) this.#common.set(name.exchangeId, projection);
    return projection;
  }

  /** Streams of an exchange that have not ended: the common one first. */
  streamsOf(exchangeId: number): readonly Projection[] {
    return this.statsOf(exchangeId).flatMap(({ projection }) => projection ?? []);
  }

  /** As `streamsOf`, also of those that nobody projects. */
  statsOf(exchangeId: number): readonly StreamStats[] {
    return this.#states()
      .filter((state) => state.exchangeId === exchangeId && this.#counts(state))
      .toSorted((one, two) => one.stream - two.stream)
      .map((state) => ({ state, projection: this.of(state) }));
  }

  /** What asks for the past may be journaled, and not count yet. */
  #counts({ beforeVersion }: ProjectionState): boolean {
    return (beforeVersion ?? 0) <= this.#parts.exchanges.version;
  }

  /** Makes a destination again. @throws as `Exchange.rebuild` */
  rebuild(way: RebuildWay, options: RebuildOptions): Promise<RebuildReport> {
    const { exchangeId } = way;
    const parts = {
      ...this.#parts,
      destinations: this.destinations,
      projection: () => this.of({ exchangeId, stream: COMMON_STREAM }),
      isClosed: () => this.#isClosed,
    };
    return this.#rebuilds.run(() => new Rebuild(parts, way, options).run());
  }

  /**
   * Resolves when a record is synced in all of its destinations, those that are gone aside. The process
   * stays alive meanwhile: a destination that is tried again later keeps no process alive.
   *
   * @throws the signal's reason; ClosedError
   */
  async routed(
    exchangeId: number,
    record: RoutedRecord | RoutedBefore,
    signal?: AbortSignal,
  ): Promise<void> {
    const projection = this.of({ exchangeId, stream: COMMON_STREAM });
    if (projection === null) {
      // Without one all is projected, unless nobody projects any more.
      if (this.#isClosed) throw this.#parts.topics.closedError();
      return;
    }
    const vigil = this.#parts.clock.keepAlive?.();
    try {
      await projection.waiters.wait(record, signal);
    } finally {
      vigil?.cancel();
    }
  }

  /** Something was published to an exchange. Cheap. */
  poke(exchangeId: number): void {
    const projection = this.#common.get(exchangeId);
    (projection ?? this.of({ exchangeId, stream: COMMON_STREAM }))?.poke();
  }

  changed(): void {
    const { topics, exchanges, fold } = this.#parts;
    for (const id of fold.ids(projections)) {
      const state = present(fold.get(projections, id), 'it has an id');
      if (state.stream !== COMMON_STREAM) continue;
      const topicId = exchanges.sources.topicIdOf(state.exchangeId);
      const log = topicId === null ? null : (topics.partitionAt(topicId, 0)?.opened ?? null);
      if (log !== null && !log.readOnly && log.life.closing === null) {
        log.forStore().encoded.closeBatch();
      }
    }
    this.#cutBackfills();
  }

  /** Backfills whose bindings have ended end, too. */
  #cutBackfills(): void {
    const { sources } = this.#parts.exchanges;
    for (const state of this.#states()) {
      if (state.stream !== COMMON_STREAM && sources.isUnbound(state.stream)) this.of(state)?.cut();
    }
  }

  deleted(exchangeIds: readonly number[]): void {
    for (const exchangeId of exchangeIds) {
      for (const projection of this.streamsOf(exchangeId)) projection.end();
    }
  }

  backfillsBegun(streams: readonly StreamName[]): void {
    for (const name of streams) this.of(name)?.poke();
  }

  async drained(name: string): Promise<void> {
    const { clock, exchanges } = this.#parts;
    const deadlineMs = clock.monotonic() + DRAIN_MS_MAX;
    while (this.#isStarted && exchanges.sources.isLeft(name)) {
      const delayMs = deadlineMs - clock.monotonic();
      if (delayMs <= 0) return;
      this.#drained.silence();
      await this.#drained.wait({ clock, delayMs, signal: undefined, keepsAlive: true });
    }
  }

  /** A topic is gone: nothing goes there any more. */
  topicDeleted(topicId: number): void {
    for (const projection of this.#projections.values()) projection.forgetTopic(topicId);
  }

  /** Who is asked before records of a log go: it may be a source, or a destination. */
  guardOf(topicId: number, logId: number): TrimGuard {
    return {
      allow: (offset, why) => {
        if (!this.#isConcerned(topicId, logId)) return offset;
        // Copies are made, and made again, of all that a source holds.
        if (why === 'compaction' && this.#isSource(topicId)) return 0;
        return this.#allow(topicId, logId, offset).catch(() => 0); // None may go, then.
      },
    };
  }

  /** Whether a log is a source, or gets copies: most are neither. In memory. */
  #isConcerned(topicId: number, logId: number): boolean {
    return this.#isSource(topicId) || this.#states().some(({ logs }) => logs.has(logId));
  }

  #isSource(topicId: number): boolean {
    return this.#parts.exchanges.sources.exchangeIdOf(topicId) !== null;
  }

  /** Stops all of them. What is on its way comes to its end first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#drained.ring();
    await this.#starting;
    await this.#rebuilds.idle();
    await this.#pruner.close();
    await Promise.all([...this.#projections.values()].map((projection) => projection.close()));
    await this.#dropping;
  }

  async #resumeAll(): Promise<void> {
    for (const state of this.#states()) {
      if (this.#isClosed) return;
      const { exchangeId, stream } = state;
      const { exchanges } = this.#parts;
      if (stream !== COMMON_STREAM && exchanges.sources.isUnbound(stream)) this.of(state)?.cut();
      else if (stream !== COMMON_STREAM) this.of(state)?.poke();
      else if (!exchanges.isThere(exchangeId)) this.of(state)?.end();
      else if (await this.#hasWork(state)) this.of(state)?.poke();
    }
    // The last process may have ended in between.
    for (const exchangeId of this.#parts.exchanges.sources.left())
      await this.#dropSource(exchangeId);
  }

  /** Most exchanges have nothing to project: only their sources are opened. */
  async #hasWork(state: ProjectionState): Promise<boolean> {
    const source = this.#parts.exchanges.sources.of(state.exchangeId);
    if (source === null) return false;
    const endOffset = await source
      .use((log) => Promise.resolve(log.endOffset))
      .catch(() => Number.POSITIVE_INFINITY);
    return endOffset > lowestPosition(state);
  }

  #states(): ProjectionState[] {
    const { fold } = this.#parts;
    return fold.ids(projections).flatMap((id) => fold.get(projections, id) ?? []);
  }

  #make({ exchangeId, stream, beforeVersion }: ProjectionState): Projection | null {
    const { exchanges, fold, topics } = this.#parts;
    const { sources, history } = exchanges;
    const source = sources.of(exchangeId);
    if (source === null) return null;
    const name = { exchangeId, stream };
    const projection: Projection = new Projection({
      ...this.#parts,
      stream: name,
      boxes: this.#boxes,
      source,
      destinations: this.destinations,
      newRoutes: () => this.#routesOf(name),
      beforeVersion,
      mustWait: () => stream !== COMMON_STREAM && waitsForEarlier(name, { fold, sources, history }),
      isBound: (topicId) => sources.isBound(topicId),
      onChanged: () => this.#health.look(name, projection),
      onMarked: () => this.#moved(exchangeId),
      closedError: () => topics.closedError(),
      onEnded: () => this.#ended(name),
    });
    return projection;
  }

  #routesOf({ exchangeId, stream }: StreamName): Routes {
    const { fold, exchanges } = this.#parts;
    const { history, sources, now } = exchanges;
    if (stream === COMMON_STREAM) return new CommonRoutes(history, exchangeId, now);
    return new BackfillRoutes({
      history,
      exchangeId,
      binding: present(sources.binding(stream), 'what a stream is of is kept'),
      earlier: () => earlierBackfills({ exchangeId, stream }, { fold, history, sources }),
      logIdOf: (topicId, partition) => this.destinations.find(topicId, partition)?.logId ?? null,
    });
  }

  #ended(name: StreamName): void {
    this.#health.forget(name);
    this.#projections.delete(streamId(name));
    const { exchangeId } = name;
    if (name.stream === COMMON_STREAM) this.#common.delete(exchangeId);
    else this.#pokeBackfills(exchangeId);
    this.#moved(exchangeId);
    if (this.#parts.exchanges.isThere(exchangeId)) return;
    this.#dropping = Promise.all([this.#dropping, this.#dropSource(exchangeId)]);
  }

  /** Those that waited for one that has ended. */
  #pokeBackfills(exchangeId: number): void {
    for (const state of this.#states()) {
      const isBackfill = state.exchangeId === exchangeId && state.stream !== COMMON_STREAM;
      if (isBackfill) this.of(state)?.poke();
    }
  }

  /** Of an exchange that is gone, when all of its streams have come to their ends. */
  async #dropSource(exchangeId: number): Promise<void> {
    const { exchanges, topics } = this.#parts;
    if (this.#states().some((state) => state.exchangeId === exchangeId)) return;
    const topicId = exchanges.sources.topicIdOf(exchangeId);
    const name = topicId === null ? null : topics.nameOf(topicId);
    // What fails is tried again by the next opening.
    if (name !== null) await topics.delete(name).catch(() => undefined);
    this.#drained.ring();
  }

  /** @throws as `Projection.resume`, `Journal.append` */
  async #markAll(names: readonly StreamName[]): Promise<void> {
    for (const name of names) {
      const projection = this.of(name);
      try {
        await projection?.resume();
        await projection?.marks.write('os');
      } catch (error) {
        if (projection?.marks.state !== null) throw error; // Else it has ended meanwhile.
      }
    }
  }

  /** Marks of an exchange have moved. */
  #moved(exchangeId: number): void {
    this.#health.moved(exchangeId, () => {
      const states = this.#states().filter((state) => state.exchangeId === exchangeId);
      return Math.min(...states.map(lowestPosition));
    });
  }

  /** How far the start of a log may move. */
  async #allow(topicId: number, logId: number, offset: number): Promise<number> {
    const { journal, exchanges } = this.#parts;
    const sourceOf = exchanges.sources.exchangeIdOf(topicId);
    // Those that end meanwhile hold nothing back.
    const statesNow = (): readonly ProjectionState[] =>
      this.#states().filter(({ exchangeId, logs }) => exchangeId === sourceOf || logs.has(logId));
    const heldFrom = (): number =>
      sourceOf === null ? offset : exchanges.sources.heldFrom(sourceOf);
    const allowedNow = (): number =>
      Math.min(offset, heldFrom(), allowedBy(statesNow(), { sourceOf, logId }));
    if (statesNow().length === 0) return allowedNow();
    if (allowedNow() < offset) await this.#markAll(statesNow());
    const markedOffset = allowedNow();
    await journal.sync(); // What the marks say counts when it is durable.
    const allowed = Math.min(markedOffset, allowedNow()); // A past may be asked for meanwhile.
    if (sourceOf === null) return allowed;
    this.#pruner.poke();
    if (allowed < offset) this.#health.held(sourceOf, offset, statesNow());
    else this.#health.letGo(sourceOf);
    return allowed;
  }
}

/** As far as marks let go of a log: of a source, or of a destination. */
function allowedBy(
  states: readonly ProjectionState[],
  { sourceOf, logId }: { readonly sourceOf: number | null; readonly logId: number },
): number {
  let allowed = Number.POSITIVE_INFINITY;
  for (const state of states) {
    if (state.exchangeId === sourceOf) allowed = Math.min(allowed, lowestPosition(state));
    const mark = state.logs.get(logId);
    if (mark !== undefined) allowed = Math.min(allowed, mark.endOffset);
  }
  return allowed;
}
