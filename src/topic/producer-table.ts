/**
 * What is known of all producers of one topic: what the journal noted of them, and the batches behind that.
 * It is found when the first of them comes by, and kept from then on.
 */
import type { Timer } from '../core/clock.ts';
import { present } from '../core/assert.ts';
import { extensionOf } from '../format/extension.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { producedIn, type ProducedRecords } from '../format/produced-extension.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Log } from '../log/log.ts';
import type { PartitionSet } from './partition-set.ts';
import { journalNote, type ProducerNote } from './producer-notes.ts';
import { ProducerProgress } from './producer-progress.ts';
import { producerNotes, producers } from './producer-state.ts';
import type { TopicHome } from './topic-home.ts';

/** What was produced since the last note, before there is another: so much is read at the next opening. */
const NOTE_BYTES = 64 * 1024 * 1024;
/** Where nobody waits for a sync: `confirmed` must move on all the same. */
const SYNC_AFTER_MS = 1000;

export class ProducerTable {
  readonly partitions: PartitionSet;
  readonly #home: TopicHome;
  readonly #deleting: () => Promise<void> | null;
  /** By producer id. */
  readonly #progresses = new Map<number, ProducerProgress>();
  /** Those of whom there is more to note. */
  readonly #touched = new Set<number>();
  /** By log id: offsets up to which a synced note tells all. */
  readonly #synced = new Map<number, number>();
  /** Whether `load` has found what there is. */
  isLoaded = false;
  #loading: Promise<void> | null = null;
  #unnotedBytes = 0;
  #timer: Timer | null = null;
  #isClosed = false;

  /** @param deleting  the deletion of a producer that is being journaled; null = there is none */
  constructor(home: TopicHome, partitions: PartitionSet, deleting: () => Promise<void> | null) {
    this.#home = home;
    this.partitions = partitions;
    this.#deleting = deleting;
  }

  /** Finds what there is, once. @throws as `Log.batches`, as `Journal.append`; ClosedError */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = null; // What failed may be tried again.
      this.#progresses.clear();
      throw error;
    });
    return this.#loading;
  }

  /** Of a table that is loaded. */
  progressOf(producerId: number): ProducerProgress {
    const known = this.#progresses.get(producerId);
    if (known !== undefined) return known;
    const progress = new ProducerProgress();
    this.#progresses.set(producerId, progress);
    return progress;
  }

  /** Null when nothing of it was found, or the table is not loaded. */
  knownProgress(producerId: number): ProducerProgress | null {
    return this.#progresses.get(producerId) ?? null;
  }

  forget(producerId: number): void {
    this.#progresses.delete(producerId);
    this.#touched.delete(producerId);
  }

  /** Of a partition: what was synced before it was closed for room is not asked for again. */
  readonly durableOf = (partition: number): number => {
    const { opened } = present(this.partitions.all()[partition], 'the topic has it');
    return opened === null ? Number.POSITIVE_INFINITY : opened.durableOffset;
  };

  /** Records of a producer are on their way. */
  sending(producerId: number, sizeBytes: number): void {
    this.#touched.add(producerId);
    this.#unnotedBytes += sizeBytes;
  }

  /** Records are stored: what is not synced will be, though nobody asks for it. */
  settled(): void {
    if (this.#isClosed) return;
    if (this.#unnotedBytes >= NOTE_BYTES) this.noteInBackground();
    this.#timer ??= this.#home.clock.setTimer(
      () => {
        this.#timer = null;
        void this.#syncOpen().catch(() => undefined); // The log says so itself.
      },
      SYNC_AFTER_MS,
      { keepsAlive: false },
    );
  }

  /** Has all stored numbers of a span synced. @throws as `Log.sync` */
  async sync(progress: ProducerProgress, span?: { first: number; last: number }): Promise<void> {
    const partitions = progress.unsyncedPartitions(this.durableOf, span);
    await Promise.all(partitions.map((partition) => this.partitions.at(partition).sync()));
  }

  async #syncOpen(): Promise<void> {
    if (this.partitions.isGone) return;
    for (const producerId of this.#touched) {
      const progress = this.#progresses.get(producerId);
      if (progress !== undefined) await this.sync(progress);
    }
  }

  /**
   * How far the start of a log may go: what was produced below must be noted first, durably.
   *
   * @param log  of the partition, open
   */
  allowed(partition: number, logId: number, offset: number): number | Promise<number> {
    const { fold } = this.#home;
    const notes = fold.get(producerNotes, String(this.partitions.topicId));
    if (notes === null) return offset; // Nobody ever produced to it.
    if ((this.#synced.get(logId) ?? -1) >= offset) return offset;
    return this.#noteFor(partition, logId, offset).then(
      () => Math.min(offset, this.#synced.get(logId) ?? 0),
      () => Math.min(offset, this.#synced.get(logId) ?? 0),
    );
  }

  async #noteFor(partition: number, logId: number, offset: number): Promise<void> {
    const { fold, journal } = this.#home;
    const noted = () =>
      fold.get(producerNotes, String(this.partitions.topicId))?.logs.get(logId) ?? 0;
    const before = noted();
    if (before >= offset) {
      await journal.sync();
      this.#noted([{ logId, offset: before }]);
      return;
    }
    await this.load();
    for (const progress of this.#progresses.values()) {
      const flights = progress.flights().filter((flight) => flight.partition === partition);
      const below = flights.filter(({ baseOffset }) => baseOffset < offset);
      if (below.length > 0) await Promise.all(below.map(({ settled }) => settled));
      if (progress.openOffset(partition, this.durableOf) < offset) {
        await this.partitions.all()[partition]?.opened?.sync();
      }
    }
    await this.note('sync');
  }

  noteInBackground(): void {
    void this.note('os').catch(() => undefined); // The journal says so itself; the next one tells all.
  }

  /** Notes what is synced. @throws as `Journal.append` */
  async note(durability: DurabilityLevel): Promise<void> {
    for (let on = this.#deleting(); on !== null; on = this.#deleting()) await on;
    const touched = [...this.#touched];
    this.#touched.clear();
    this.#unnotedBytes = 0;
    const noted: ProducerNote[] = [];
    for (const producerId of touched) {
      const progress = this.#progresses.get(producerId);
      const isThere = this.#home.fold.get(producers, String(producerId)) !== null;
      if (progress === undefined || !isThere) continue;
      if (progress.isOpen(this.durableOf)) this.#touched.add(producerId);
      noted.push({ producerId, ...progress.note(this.durableOf) });
    }
    const logs = this.#toldLogs();
    try {
      const { topicId } = this.partitions;
      await journalNote(this.#home, { topicId, logs, producers: noted }, durability);
    } catch (error) {
      for (const producerId of touched) this.#touched.add(producerId);
      throw error;
    }
    if (durability === 'sync') this.#noted(logs);
  }

  /**
   * Notes all that there is, and ends what it does by itself. Never rejects. Of a store that closes this
   * comes before its topics are closed; what retention asks for after that is noted all the same.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    if (this.#loading === null || this.#touched.size === 0 || this.partitions.isGone) return;
    try {
      await this.#loading;
      await this.#syncOpen();
      await this.note('os');
    } catch {
      // The next opening reads what is not noted.
    }
  }

  #noted(logs: readonly { readonly logId: number; readonly offset: number }[]): void {
    for (const { logId, offset } of logs) {
      this.#synced.set(logId, Math.max(this.#synced.get(logId) ?? 0, offset));
    }
  }

  /** How far the note may say that it tells all, of the logs that are open. */
  #toldLogs(): { logId: number; offset: number }[] {
    return this.partitions.all().flatMap(({ opened, number }) => {
      if (opened === null || opened.readOnly) return [];
      let offset = opened.syncedOffset;
      for (const progress of this.#progresses.values()) {
        offset = Math.min(offset, progress.openOffset(number, this.durableOf));
      }
      return [{ logId: opened.logId, offset }];
    });
  }

  async #load(): Promise<void> {
    await this.#find();
    this.isLoaded = true;
  }

  async #find(): Promise<void> {
    const notes = this.#home.fold.get(producerNotes, String(this.partitions.topicId));
    const { count } = this.partitions;
    if (notes === null) {
      await this.#begin(count);
      return;
    }
    // They may be there by an entry that could not be synced: a power cut would forget what was produced.
    const { journal, logOptions } = this.#home;
    if (logOptions.readOnly !== true) await journal.sync();
    for (const [producerId, note] of notes.producers) {
      this.progressOf(producerId).restoreNote(note);
    }
    const offsets = new Map(notes.logs);
    for (let number = 0; number < count; number++) {
      // A log that no note names is younger than all of them.
      await this.partitions
        .at(number)
        .use((log) => this.#scan(number, log, offsets.get(log.logId) ?? 0));
    }
    if (count > 1) return;
    for (const progress of this.#progresses.values()) progress.closeHoles();
  }

  /** The first producer of the topic: nothing of what is there was produced. */
  async #begin(count: number): Promise<void> {
    const logs: { logId: number; offset: number }[] = [];
    for (let number = 0; number < count; number++) {
      await this.partitions.at(number).use(async (log) => {
        await log.sync();
        logs.push({ logId: log.logId, offset: log.syncedOffset });
      });
    }
    const { topicId } = this.partitions;
    await journalNote(this.#home, { topicId, logs, producers: [] }, 'sync');
    this.#noted(logs);
  }

  async #scan(partition: number, log: Log<Uint8Array>, notedOffset: number): Promise<void> {
    await log.refresh(); // Where it is only read somebody else appends.
    const from = Math.max(notedOffset, log.startOffset);
    const to = log.visibleOffset;
    if (from >= to) return;
    const source = log.source({ from, to }, 'reused');
    try {
      while (await source.next()) {
        const { bytes, at, header, file } = source.batch;
        const produced = producedIn({ header, extension: extensionOf(bytes, at, header), file });
        if (produced === null) continue;
        const { baseOffset } = header;
        const nextOffset = nextOffsetOf(header);
        this.#found(produced, { partition, baseOffset, nextOffset });
      }
    } finally {
      source.close();
    }
  }

  #found(
    produced: ProducedRecords,
    place: {
      readonly partition: number;
      readonly baseOffset: number;
      readonly nextOffset: number;
    },
  ): void {
    const { producerId, runs } = produced;
    if (this.#home.fold.get(producers, String(producerId)) === null) return; // It was deleted.
    const progress = this.progressOf(producerId);
    progress.restoreBatch(place, produced);
    this.#touched.add(producerId);
    if (place.nextOffset <= this.durableOf(place.partition)) return;
    const spans = runs.map(({ sequence, count }) => ({
      first: sequence,
      last: sequence + count - 1,
    }));
    progress.foundUnsynced({ ...place, spans });
  }
}
