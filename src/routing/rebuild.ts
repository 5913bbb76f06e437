/**
 * Makes the logs of a destination again that are damaged, or gone: what one exchange alone has sent
 * there is a function of its source and of the topology, record by record.
 *
 * First all partitions are compared with what the exchange would send there. Then, for those that are
 * damaged, the projection keeps away; each is made again beside the old one, compared once more, and put
 * in its place (`LogReplacement`). Topic, log id, offsets, positions and leases stay what they are.
 */
import { present } from '../core/assert.ts';
import { checkSignal } from '../core/abort.ts';
import { nextTurn } from '../core/clock.ts';
import { ClosedError, ConflictError, CorruptLogError, ReadOnlyError } from '../core/errors.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { NotRebuildableError } from '../core/routing-errors.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type VerifiedBatch } from '../format/batch-records.ts';
import type { Fold } from '../journal/fold.ts';
import type { Log } from '../log/log.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { Partition } from '../topic/partition.ts';
import type { DestinationLog, DestinationLogs } from './destination-logs.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import { OldLog } from './old-log.ts';
import { partitionOfCopy } from './placement.ts';
import type { Projection } from './projection.ts';
import { markedPosition, type ProjectionState } from './projection-state.ts';
import { commonOf, otherInput, possibleInput, type RebuildWay } from './rebuild-inputs.ts';
import { RebuildLane } from './rebuild-lane.ts';
import { RebuiltLog } from './rebuilt-log.ts';
import { CommonRoutes } from './stream-routes.ts';

/** Batches of the source that are looked at in one turn of the event loop. */
const BATCHES_PER_TURN = 32;

export interface RebuildOptions {
  /** Only finds out what it would do, and whether it can be done; default true. */
  readonly dryRun?: boolean | undefined;
  /** Ends the work with the signal's reason; a partition is the old one then, or the new one. */
  readonly signal?: AbortSignal | undefined;
}

export interface RebuiltPartition {
  readonly partition: number;
  /** Whether some of it is damaged or gone, so that it is made again. */
  readonly isDamaged: boolean;
  /** Records that were there and could not be read. */
  readonly unreadableCount: number;
  /** Of the log, as it is now; in a dry run as it would be at least. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** Whether another log has taken its place. */
  readonly isReplaced: boolean;
}

export interface RebuildReport {
  /** Name of the queue or topic. */
  readonly destination: string;
  readonly isDryRun: boolean;
  readonly partitions: readonly RebuiltPartition[];
}

export interface RebuildParts {
  readonly fold: Fold;
  readonly exchanges: ExchangeCatalog;
  readonly destinations: DestinationLogs;
  /** The common stream of the exchange; null = nothing is projected here. */
  readonly projection: () => Projection | null;
  readonly topics: TopicCatalog;
  readonly isClosed: () => boolean;
}

const KNOWN: ReadonlySet<string> = new Set<keyof RebuildOptions>(['dryRun', 'signal']);

/** @throws TypeError: what is not said clearly must not change anything */
export function checkRebuildOptions(given: RebuildOptions): RebuildOptions {
  const { dryRun = true, signal } = plainOptions(given, KNOWN);
  checkSignal('signal', signal);
  return { dryRun: checkBoolean('dryRun', dryRun), signal };
}

export class Rebuild {
  readonly #parts: RebuildParts;
  readonly #way: RebuildWay;
  readonly #source: Partition;
  readonly #signal: AbortSignal | undefined;
  readonly #isDryRun: boolean;

  constructor(parts: RebuildParts, way: RebuildWay, { dryRun = true, signal }: RebuildOptions) {
    this.#parts = parts;
    this.#way = way;
    this.#source = present(parts.exchanges.sources.of(way.exchangeId), 'the exchange is there');
    this.#signal = signal;
    this.#isDryRun = dryRun;
  }

  /** @throws as `Exchange.rebuild` */
  async run(): Promise<RebuildReport> {
    // Files are read as they stand, and one of another generation would look like damage.
    const reopen = await Promise.all(this.#places().map(({ log }) => log.rewriting.shut()));
    try {
      return await this.#run();
    } finally {
      for (const open of reopen) open();
    }
  }

  async #run(): Promise<RebuildReport> {
    const found = await this.#compare();
    const damaged = found.filter(({ isDamaged }) => isDamaged);
    const isLeft = this.#isDryRun || damaged.length === 0;
    const replaced = isLeft ? [] : await this.#replace(damaged.map(({ partition }) => partition));
    const partitions = found.map(
      (one) => replaced.find(({ partition }) => partition === one.partition) ?? one,
    );
    return { destination: this.#name, isDryRun: this.#isDryRun, partitions };
  }

  async #compare(): Promise<RebuiltPartition[]> {
    const lanes: RebuildLane[] = [];
    try {
      for (const place of this.#places()) lanes.push(await this.#lane(place, false));
      await this.#walk(lanes);
      return lanes.map((lane) => describe(lane, false));
    } finally {
      for (const { old } of lanes) await old.close();
    }
  }

  async #replace(numbers: readonly number[]): Promise<RebuiltPartition[]> {
    const projection = this.#parts.projection();
    if (projection === null) {
      throw new ReadOnlyError({ operation: 'a rebuild', path: this.#source.path });
    }
    const places = this.#places();
    const goOn = await suspend(projection, this.#way.topicId, places.length);
    const lanes: RebuildLane[] = [];
    try {
      for (const place of places) {
        if (numbers.includes(place.log.number)) lanes.push(await this.#lane(place, true));
      }
      const position = await this.#walk(lanes);
      for (const lane of lanes) await this.#swap(lane, position);
      return lanes.map((lane) => describe(lane, true));
    } finally {
      for (const { old, rebuilt } of lanes) {
        await old.close();
        await rebuilt?.end();
      }
      goOn();
    }
  }

  async #lane({ logId, log: partition }: DestinationLog, isRebuilt: boolean): Promise<RebuildLane> {
    const { exchangeId } = this.#way;
    const state = this.#checkInputs();
    const stored = state.logs.get(logId) ?? null;
    const position = stored === null ? 0 : markedPosition(state.position, stored);
    const mark = stored === null ? null : { ...stored, position };
    const old = await OldLog.look({ partition, exchangeId, mark });
    const refuse = (reason: string): Error => this.#refusal(reason);
    try {
      if (old.waitsForCommits) throw refuse('commits have put records there');
      const rebuilt = isRebuilt ? await RebuiltLog.begin(partition, exchangeId) : null;
      // Of a log that no mark names nothing was copied behind the common position.
      const to = mark === null ? state.position : Number.POSITIVE_INFINITY;
      return new RebuildLane({ old, rebuilt, to, refuse });
    } catch (error) {
      await old.close();
      throw error;
    }
  }

  /** Feeds all lanes. @returns how far the source goes */
  #walk(lanes: readonly RebuildLane[]): Promise<number> {
    return this.#source.use(async (log) => {
      if (log.startOffset > 0) throw this.#refusal('the source has let go of its first records');
      const to = Math.min(log.durableOffset, log.visibleOffset);
      try {
        await this.#feed(log, to, lanes);
      } catch (error) {
        if (!(error instanceof CorruptLogError)) throw error;
        throw this.#refusal('the source is damaged', error);
      }
      return to;
    });
  }

  async #feed(log: Log<Uint8Array>, to: number, lanes: readonly RebuildLane[]): Promise<void> {
    const { history } = this.#parts.exchanges;
    const routes = new CommonRoutes(history, this.#way.exchangeId);
    const source = log.source({ from: 0, to, signal: this.#signal }, 'reused');
    let nextOffset = 0;
    let lostBelow = 0;
    try {
      for (let count = 1; await source.next(); count++) {
        const { batch } = source;
        const { baseOffset, topologyVersion } = batch.header;
        if (baseOffset > nextOffset) lostBelow = baseOffset;
        nextOffset = nextOffsetOf(batch.header);
        if (topologyVersion < history.prunedBelow) {
          throw this.#refusal('bindings of the past are not known any more');
        }
        routes.advanceTo(topologyVersion);
        await this.#feedBatch(batch, routes, lanes);
        if (count % BATCHES_PER_TURN === 0) await nextTurn();
        this.#checkOpen();
      }
    } finally {
      source.close();
    }
    if (nextOffset < to) lostBelow = to;
    const doubt = await possibleInput(this.#parts, this.#way);
    for (const lane of lanes) await lane.end(lostBelow, doubt);
  }

  async #feedBatch(
    batch: VerifiedBatch,
    routes: CommonRoutes,
    lanes: readonly RebuildLane[],
  ): Promise<void> {
    const { topicId } = this.#way;
    const cursor = new BatchCursor();
    const records = recordsOf(batch);
    cursor.reset(records);
    const { appendTimeMs, baseOffset } = batch.header;
    for (const { rebuilt } of lanes) rebuilt?.passTo(appendTimeMs, baseOffset);
    while (cursor.next()) {
      if (!routes.topicsOf(cursor).includes(topicId)) continue;
      const count = routes.partitionCountOf(topicId);
      const partition = partitionOfCopy(cursor, cursor.offset, count);
      const lane = lanes.find(({ old }) => old.partition === partition);
      const taking = lane?.take(records, cursor) ?? null;
      if (taking !== null) await taking;
    }
    for (const { rebuilt } of lanes) rebuilt?.copy();
  }

  async #swap({ old, rebuilt, nextOffset }: RebuildLane, position: number): Promise<void> {
    const made = present(rebuilt, 'it was begun');
    const endOffset = await made.finish(position);
    if (endOffset !== nextOffset) throw this.#refusal(`${endOffset} of ${nextOffset} were made`);
    const { startOffset, lastEpoch, openEndOffset, log } = old;
    await old.close();
    await log.whileClosed(async (endOffsetNow) => {
      this.#checkOpen();
      if (endOffsetNow !== null && endOffsetNow !== openEndOffset) {
        const name = `${this.#name}/${log.number}`;
        const stored = 'changed meanwhile';
        throw new ConflictError({ kind: 'partition', name, stored, requested: 'replaced' });
      }
      this.#checkInputs();
      await made.replace(startOffset, lastEpoch);
    });
  }

  /** @returns how far the exchange is projected @throws NotRebuildableError */
  #checkInputs(): ProjectionState {
    const reason = otherInput(this.#parts, this.#way);
    if (reason !== null) throw this.#refusal(reason);
    return present(commonOf(this.#parts.fold, this.#way.exchangeId), 'it was looked at');
  }

  #places(): readonly DestinationLog[] {
    const places: DestinationLog[] = [];
    const { destinations } = this.#parts;
    for (;;) {
      const place = destinations.find(this.#way.topicId, places.length);
      if (place === null) return places;
      places.push(place);
    }
  }

  #checkOpen(): void {
    this.#signal?.throwIfAborted();
    const isThere = this.#parts.destinations.nameOf(this.#way.topicId) !== null;
    if (this.#parts.isClosed()) throw this.#parts.topics.closedError();
    if (!isThere) throw new ClosedError({ resource: 'topic', name: this.#name });
  }

  #refusal(reason: string, cause?: Error): NotRebuildableError {
    return new NotRebuildableError({ destination: this.#name, reason }, { cause });
  }

  get #name(): string {
    const { topicId } = this.#way;
    return this.#parts.destinations.nameOf(topicId) ?? String(topicId);
  }
}

function describe(lane: RebuildLane, isReplaced: boolean): RebuiltPartition {
  const { old, isDamaged, unreadableCount, nextOffset } = lane;
  const { partition, startOffset } = old;
  const isNew = isDamaged || isReplaced;
  const endOffset = isNew ? nextOffset : old.endOffset;
  return { partition, isDamaged, unreadableCount, startOffset, endOffset, isReplaced };
}

/**
 * Keeps all away from the logs of a topic, also from those that were not met yet.
 *
 * @returns has them fed again: call it once
 */
async function suspend(
  projection: Projection,
  topicId: number,
  partitionCount: number,
): Promise<() => void> {
  await projection.resume();
  const { outlets } = projection;
  for (let partition = 0; partition < partitionCount; partition++) outlets.open(topicId, partition);
  const suspended = outlets.of(topicId);
  await Promise.all(suspended.map((outlet) => outlet.suspend()));
  return () => {
    for (const outlet of suspended) {
      const isThere = outlets.find(topicId, outlet.partition) === outlet;
      if (isThere) outlet.goOn();
    }
  };
}
