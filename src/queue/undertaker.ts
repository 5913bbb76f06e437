/** Gives records up: keeps them as dead, or moves a copy to the dead-letter queue, in one commit. */
import type { Clock } from '../core/clock.ts';
import { CorruptLogError, isStoreError } from '../core/errors.ts';
import type { Committer } from '../journal/committer.ts';
import { change, type Journal } from '../journal/journal.ts';
import type { LogRecord } from '../log/record.ts';
import type { Topic } from '../topic/topic.ts';
import { exchangeOfSource } from '../topic/topic-names.ts';
import {
  deadLetterOf,
  fitting,
  historyOf,
  isCycle,
  isRoutedBack,
  withDeath,
  type Death,
  type LetterWay,
} from './dead-letter.ts';
import { errorText } from './error-text.ts';
import type { Burial } from './lease-ends.ts';
import type { PartitionLeases } from './partition-leases.ts';
import { SlotState } from './record-state.ts';
import { recordsDied, type DiedRecord } from './share-entries.ts';
import type { LeaseEvents } from './share-events.ts';
import { isTrimmed } from './share-feed.ts';
import type { Trouble } from './share-partition.ts';

export interface UndertakerParts {
  readonly topic: string;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly committer: Committer;
  /** Opens the topic of dead letters, and makes it when it is not there, unless it is an exchange's. */
  readonly openDeadLetters: (name: string) => Promise<Topic<Uint8Array>>;
  /** A commit has brought letters to a topic of that name. */
  readonly arrived: (name: string) => void;
  /** Null = dead records stay where they are. */
  readonly deadLetters: () => LetterWay | null;
  readonly events: Pick<LeaseEvents, 'died' | 'failed'>;
}

/** A record with the story of its end. */
interface Case {
  readonly died: DiedRecord;
  readonly copy: ReturnType<typeof deadLetterOf> | null;
  /** It was deleted: there is nothing to copy, and nothing to keep. */
  readonly isGone: boolean;
}

/** Records that share a commit. */
const COMMIT_RECORDS = 100;
const COMMIT_BYTES = 4 * 1024 * 1024;
/** Records without a copy that share an entry: it is applied in one turn of the event loop. */
const ENTRY_RECORDS = 2048;

export class Undertaker {
  readonly #parts: UndertakerParts;

  constructor(parts: UndertakerParts) {
    this.#parts = parts;
  }

  /**
   * Ends records for good. One that cannot be read does not hold up the others; of one that is damaged
   * there is no copy: it is kept as dead, for whoever repairs the log.
   *
   * @throws as `Committer.commit`, `Log.read`; NotFoundError when there is no such exchange; then some are ended, perhaps, and none of the others
   */
  async bury(partition: PartitionLeases, burials: readonly Burial[]): Promise<void> {
    const way = this.#parts.deadLetters();
    const kept: DiedRecord[] = [];
    const gone: DiedRecord[] = [];
    let moved: Case[] = [];
    let movedBytes = 0;
    const unreadable: unknown[] = [];
    for (const burial of burials) {
      const found = await this.#examine(partition, burial, way).catch((error: unknown) => {
        unreadable.push(error);
      });
      if (found === undefined || found === null) continue;
      const { died, copy, isGone } = found;
      if (isGone) {
        gone.push(died);
        if (gone.length >= ENTRY_RECORDS) await this.#end(partition, gone.splice(0), false);
        continue;
      }
      if (copy === null || way === null) {
        kept.push(died);
        if (kept.length >= ENTRY_RECORDS) await this.#end(partition, kept.splice(0), true);
        continue;
      }
      moved.push(found);
      movedBytes += copy.value?.length ?? 0;
      if (moved.length < COMMIT_RECORDS && movedBytes < COMMIT_BYTES) continue;
      await this.#move(partition, way.name, moved);
      moved = [];
      movedBytes = 0;
    }
    if (moved.length > 0 && way !== null) await this.#move(partition, way.name, moved);
    if (kept.length > 0) await this.#end(partition, kept, true);
    if (gone.length > 0) await this.#end(partition, gone, false);
    if (unreadable.length > 0) throw unreadable[0];
  }

  /** What is to be said of it. Without a copy it stays: there is nowhere to go, or it would go round. */
  async #examine(
    partition: PartitionLeases,
    { offset, reason, error, record: known }: Burial,
    way: LetterWay | null,
  ): Promise<Case | null> {
    const died = { offset, reason, error };
    const kept = { died, copy: null, isGone: false };
    const isRead = way !== null && known === null;
    const record = isRead ? await readIfThere(partition, offset) : known;
    if (partition.state.table.find(offset) < 0) return null;
    if (way === null) return kept;
    if (record instanceof CorruptLogError) {
      this.#parts.events.failed(record);
      return { ...kept, died: { ...died, error: error === '' ? errorText(record) : error } };
    }
    if (record === null) return { ...kept, isGone: true };
    const death = this.#deathOf(partition, died);
    return { ...kept, copy: copyOf(record, death, way) };
  }

  #deathOf({ name, state }: PartitionLeases, { offset, reason, error }: DiedRecord): Death {
    const timeMs = this.#parts.clock.now();
    const slot = state.table.find(offset);
    const trials = state.trialsAt(slot);
    // As `SharePartition.die` counts.
    const isLeased = state.table.stateAt(slot) === SlotState.acquired;
    const isFailure = isLeased && reason === 'failures';
    const isExpiry = isLeased && reason === 'lease-expired';
    return {
      topic: this.#parts.topic,
      group: name.group,
      partition: name.partition,
      offset,
      reason,
      ...trials,
      failures: trials.failures + (isFailure ? 1 : 0),
      expiries: trials.expiries + (isExpiry ? 1 : 0),
      trouble: withError(state.troubles.get(offset) ?? null, error, timeMs),
      timeMs,
    };
  }

  async #move(
    partition: PartitionLeases,
    destination: string,
    cases: readonly Case[],
  ): Promise<void> {
    const records = cases.map(({ died }) => died);
    const move = () => this.#moveOnce(partition, destination, cases);
    try {
      await move().catch(async (error: unknown) => {
        if (!isStoreError(error, 'ERR_VARVE_CLOSED')) throw error;
        await move(); // Deleted meanwhile, it is made anew; a store that is closed says so again.
      });
    } catch (error) {
      const isTooLarge = isStoreError(error, 'ERR_VARVE_TOO_LARGE');
      if (!isTooLarge && !isStoreError(error, 'ERR_VARVE_DISK_FULL')) throw error;
      if (cases.length > 1) {
        // Fewer may fit; and where there is little room, the end of a few may make some.
        const half = Math.ceil(cases.length / 2);
        await this.#move(partition, destination, cases.slice(0, half));
        await this.#move(partition, destination, cases.slice(half));
      } else if (isTooLarge) await this.#end(partition, records, true);
      else throw error;
      return;
    }
    this.#tell(partition, records);
  }

  async #moveOnce(
    partition: PartitionLeases,
    destination: string,
    cases: readonly Case[],
  ): Promise<void> {
    const { committer, openDeadLetters } = this.#parts;
    const records = cases.map(({ died }) => died);
    const topic = await openDeadLetters(destination);
    const copies = cases.flatMap(({ copy }) => (copy === null ? [] : [copy]));
    const appends = await topic.forCommit(copies);
    const changes = [change(recordsDied, this.#entry(partition, records, false))];
    await committer.commit({ changes, appends });
    this.#parts.arrived(destination);
  }

  /** Without a copy. @param isKept  whether they stay as dead */
  async #end(
    partition: PartitionLeases,
    records: readonly DiedRecord[],
    isKept: boolean,
  ): Promise<void> {
    await this.#parts.journal.append(recordsDied, this.#entry(partition, records, isKept), 'sync');
    this.#tell(partition, records);
  }

  #entry({ name }: PartitionLeases, records: readonly DiedRecord[], isKept: boolean) {
    const { topicId, group, partition } = name;
    const timeMs = this.#parts.clock.now();
    return { topicId, group, partition, records: [...records], isKept, timeMs };
  }

  #tell({ name }: PartitionLeases, records: readonly DiedRecord[]): void {
    for (const died of records) this.#parts.events.died(name.partition, died);
  }
}

/** Null when it stays: it would go round for ever, or is too large with what is said of it. */
function copyOf(record: LogRecord<Uint8Array>, death: Death, way: LetterWay): Case['copy'] {
  const history = historyOf(record.headers);
  const isRound =
    exchangeOfSource(way.name) === null
      ? isCycle(withDeath(history, death), way.name)
      : isRoutedBack(history, death, way.name);
  if (isRound) return null;
  return fitting(() => deadLetterOf(record, death, way));
}

/** Null when it was deleted: there is nothing to copy; or why nobody can. @throws as `Log.read` */
async function readIfThere({ log }: PartitionLeases, offset: number) {
  try {
    return await log.read(offset);
  } catch (error) {
    if (isTrimmed(error)) return null;
    if (error instanceof CorruptLogError) return error;
    throw error;
  }
}

function withError(trouble: Trouble | null, error: string, timeMs: number): Trouble | null {
  if (error === '') return trouble;
  const { firstError = error, firstErrorMs = timeMs } = trouble ?? {};
  return { firstError, firstErrorMs, lastError: error, lastErrorMs: timeMs };
}
