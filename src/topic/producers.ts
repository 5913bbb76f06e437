/** The producers of a store: their names and epochs, who holds them, and how far they are in each topic. */
import { argumentError, present } from '../core/assert.ts';
import { FencedError } from '../core/ownership-errors.ts';
import { ClosedError, NotFoundError, TooLargeError } from '../core/errors.ts';
import { PRODUCERS_MAX } from '../core/limits.ts';
import { Mutex } from '../core/mutex.ts';
import { randomId } from '../core/random.ts';
import type { Journal } from '../journal/journal.ts';
import type { TopicCatalog } from './catalog.ts';
import type { PartitionSet } from './partition-set.ts';
import { ProducerAppends } from './producer-appends.ts';
import { positionOf, type TopicProducer } from './producer-position.ts';
import type { ProducerRight } from './producer-sequencer.ts';
import { ProducerTable } from './producer-table.ts';
import {
  producerDeleted,
  producerNotes,
  producerOpened,
  producers,
  type ProducerState,
} from './producer-state.ts';
import { storeClosed, type TopicHome } from './topic-home.ts';
import { checkName } from './topic-names.ts';

export type ProducerGaps = 'refuse' | 'allow';

/** What there is to know of a producer. */
export interface ProducerListing {
  readonly name: string;
  readonly epoch: number;
  readonly createdTimeMs: number;
  /** When somebody began to produce under this name. */
  readonly openedTimeMs: number;
  /** Whether somebody does, in this process. */
  readonly isOpen: boolean;
  /** By name: those to which it produced. */
  readonly topics: readonly ProducerTopic[];
}

export interface ProducerTopic {
  readonly topic: string;
  /** All sequences below are synced, or were never sent: as it was noted, where nobody produces now. */
  readonly confirmed: number;
  /** When it was last noted; null = it was not yet. */
  readonly notedTimeMs: number | null;
}

/** Somebody who produces under a name, until somebody else does. */
export class ProducerHold implements ProducerRight {
  readonly name: string;
  readonly producerId: number;
  readonly epoch: number;
  readonly gaps: ProducerGaps;
  readonly #producers: Producers;
  /** By topic id. */
  readonly #appends = new Map<number, ProducerAppends>();
  #over: Error | null = null;

  constructor(
    owner: Producers,
    {
      name,
      producerId,
      epoch,
      gaps,
    }: Pick<ProducerRight, 'name' | 'producerId' | 'epoch' | 'gaps'>,
  ) {
    this.#producers = owner;
    this.name = name;
    this.producerId = producerId;
    this.epoch = epoch;
    this.gaps = gaps;
  }

  check(): void {
    if (this.#over !== null) throw this.#over;
  }

  /** Whether it is of the store that has this journal. */
  isOf(journal: Journal): boolean {
    return this.#producers.isOf(journal);
  }

  /** @throws TypeError for a topic of another store */
  appendsTo(partitions: PartitionSet): ProducerAppends {
    const { topicId } = partitions;
    this.#producers.checkOwn(partitions);
    const known = this.#appends.get(topicId);
    if (known !== undefined) return known;
    const appends = new ProducerAppends(this.#producers.tableOf(partitions), this);
    this.#appends.set(topicId, appends);
    return appends;
  }

  /** From now on nothing is taken. Resolves when all that was taken is answered. */
  async end(why: Error): Promise<void> {
    this.#over ??= why;
    await Promise.all([...this.#appends.values()].map((appends) => appends.idle()));
  }

  close(): Promise<void> {
    return this.#producers.closed(this);
  }
}

export class Producers {
  readonly #home: TopicHome;
  readonly #topics: () => TopicCatalog;
  /** By name. */
  readonly #ids = new Map<string, number>();
  /** By name: who produces now. */
  readonly #holds = new Map<string, ProducerHold>();
  /** By topic id. */
  readonly #tables = new Map<number, ProducerTable>();
  readonly #changes = new Mutex();
  /** A deletion that is being journaled. Never rejects. */
  #deleting: Promise<void> | null = null;
  #isClosed = false;

  constructor(home: TopicHome, topics: () => TopicCatalog) {
    this.#home = home;
    this.#topics = topics;
    for (const id of home.fold.ids(producers)) {
      const state = home.fold.get(producers, id);
      if (state !== null) this.#ids.set(state.name, Number(id));
    }
  }

  /** @throws NotFoundError, TooLargeError; as `Journal.append` */
  open(
    name: string,
    { gaps, create }: { readonly gaps: ProducerGaps; readonly create: boolean },
  ): Promise<ProducerHold> {
    checkName('name', name);
    return this.#changes.run(async () => {
      this.#checkOpen();
      const known = this.#ids.get(name);
      if (known === undefined && !create) throw new NotFoundError({ kind: 'producer', name });
      if (known === undefined && this.#ids.size >= PRODUCERS_MAX) {
        throw tooMany(this.#ids.size + 1);
      }
      const { random, clock, journal } = this.#home;
      const producerId = known ?? randomId(random);
      const epoch = (this.#stateOf(producerId)?.epoch ?? 0) + 1;
      const entry = { producerId, name, epoch, timeMs: clock.now() };
      await journal.append(producerOpened, entry, 'sync');
      this.#ids.set(name, producerId);
      await this.#end(name, epoch);
      const hold = new ProducerHold(this, { name, producerId, epoch, gaps });
      this.#holds.set(name, hold);
      return hold;
    });
  }

  /** Forgets a producer with all its sequences. @throws NotFoundError; as `Journal.append` */
  delete(name: string): Promise<void> {
    checkName('name', name);
    return this.#changes.run(async () => {
      this.#checkOpen();
      const producerId = this.#ids.get(name);
      if (producerId === undefined) throw new NotFoundError({ kind: 'producer', name });
      await this.#end(name, null);
      const { fold, clock, journal } = this.#home;
      const noted = fold.ids(producerNotes).map(Number);
      const topicIds = [...new Set([...noted, ...this.#tables.keys()])].filter((topicId) => {
        const isNoted = fold.get(producerNotes, String(topicId))?.producers.has(producerId);
        return isNoted === true || this.#tables.get(topicId)?.knownProgress(producerId) != null;
      });
      const entry = { producerId, topicIds, timeMs: clock.now() };
      // Notes wait: one behind this entry that still names the producer would stay for good.
      const deleted = journal.append(producerDeleted, entry, 'sync');
      this.#deleting = deleted.then(ended, ended);
      try {
        await deleted;
      } finally {
        this.#deleting = null;
      }
      this.#ids.delete(name);
      for (const table of this.#tables.values()) table.forget(producerId);
    });
  }

  /** All producers, by name. */
  list(): readonly ProducerListing[] {
    return [...this.#ids]
      .flatMap(([name, producerId]) => {
        const state = this.#stateOf(producerId);
        return state === null ? [] : [this.#listing(name, producerId, state)];
      })
      .toSorted(byName);
  }

  #listing(name: string, producerId: number, state: ProducerState): ProducerListing {
    const { fold } = this.#home;
    const { epoch, createdTimeMs, openedTimeMs } = state;
    const topicIds = new Set([...fold.ids(producerNotes).map(Number), ...this.#tables.keys()]);
    const topics = [...topicIds].flatMap((topicId) => {
      const topic = this.#topics().nameOf(topicId);
      const note = fold.get(producerNotes, String(topicId))?.producers.get(producerId);
      const table = this.#tables.get(topicId);
      const live = table?.knownProgress(producerId)?.confirmed(table.durableOf);
      const confirmed = live ?? note?.confirmed;
      if (topic === null || confirmed === undefined) return [];
      return [{ topic, confirmed, notedTimeMs: note?.timeMs ?? null }];
    });
    topics.sort((one, two) => (one.topic < two.topic ? -1 : 1));
    const isOpen = this.#holds.has(name);
    return { name, epoch, createdTimeMs, openedTimeMs, isOpen, topics };
  }

  /**
   * Those that have stored something in a topic, by name, each with where it is.
   *
   * @throws NotFoundError; as `ProducerTable.load`
   */
  async inTopic(topic: string): Promise<readonly TopicProducer[]> {
    const { topicId } = this.#topics().describe(topic);
    const partitions = present(this.#topics().at(topicId), 'it was described');
    const { fold, logOptions } = this.#home;
    // The first producer of a topic begins with a note.
    if (fold.get(producerNotes, String(topicId)) === null) return [];
    // Who only looks is not told of what is appended later: it has to look again each time.
    const isLive = logOptions.readOnly !== true;
    const table = isLive
      ? this.tableOf(partitions)
      : new ProducerTable(this.#home, partitions, () => null);
    await table.load();
    return [...this.#ids]
      .flatMap(([name, producerId]) => {
        const progress = table.knownProgress(producerId);
        if (progress === null || progress.lastStored < 0) return [];
        return [{ name, ...positionOf(progress) }];
      })
      .toSorted(byName);
  }

  isOf(journal: Journal): boolean {
    return this.#home.journal === journal;
  }

  /** @throws TypeError for a topic of another store */
  checkOwn(partitions: PartitionSet): void {
    if (partitions.isOf(this.#home.journal)) return;
    throw argumentError(TypeError, 'topic', 'of the store of the producer', partitions.name);
  }

  tableOf(partitions: PartitionSet): ProducerTable {
    const { topicId } = partitions;
    const known = this.#tables.get(topicId);
    if (known !== undefined) return known;
    const table = new ProducerTable(this.#home, partitions, () => this.#deleting);
    this.#tables.set(topicId, table);
    return table;
  }

  /** Has a say in how far the start of a partition moves. */
  allowed(place: ProducedPartition, offset: number): number | Promise<number> {
    const { topicId, partition, logId } = place;
    if (this.#home.fold.get(producerNotes, String(topicId)) === null) return offset;
    const set = this.#topics().at(topicId);
    return set === null ? offset : this.tableOf(set).allowed(partition, logId, offset);
  }

  /** A topic is gone. */
  async forgetTopic(topicId: number): Promise<void> {
    const table = this.#tables.get(topicId);
    this.#tables.delete(topicId);
    await table?.close();
  }

  /** Its user does not need it any more. */
  async closed(hold: ProducerHold): Promise<void> {
    await hold.end(new ClosedError({ resource: 'producer', name: hold.name }));
    if (this.#holds.get(hold.name) === hold) this.#holds.delete(hold.name);
  }

  /** Ends them all, when what they sent was answered. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changes.idle();
    const why = storeClosed(this.#home);
    await Promise.all([...this.#holds.values()].map((hold) => hold.end(why)));
    await Promise.all([...this.#tables.values()].map((table) => table.close()));
  }

  async #end(name: string, currentEpoch: number | null): Promise<void> {
    const hold = this.#holds.get(name);
    this.#holds.delete(name);
    if (hold === undefined) return;
    const { epoch } = hold;
    await hold.end(new FencedError({ kind: 'producer', producer: name, epoch, currentEpoch }));
  }

  #stateOf(producerId: number): ProducerState | null {
    return this.#home.fold.get(producers, String(producerId));
  }

  #checkOpen(): void {
    if (this.#isClosed) throw storeClosed(this.#home);
  }
}

/** A partition whose start is to move. */
interface ProducedPartition {
  readonly topicId: number;
  readonly partition: number;
  readonly logId: number;
}

function byName(one: { readonly name: string }, two: { readonly name: string }): number {
  return one.name < two.name ? -1 : 1;
}

function ended(): void {
  // Whoever deletes it is told how.
}

function tooMany(count: number): TooLargeError {
  const bytesMax = PRODUCERS_MAX;
  return new TooLargeError({ what: 'a store', bytes: count, bytesMax, unit: 'producers' });
}
