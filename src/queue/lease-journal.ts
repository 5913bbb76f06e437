/**
 * Journals attempts and the ends of leases for all share groups of a store: what happens in one turn of
 * the event loop, whatever group it is of, is one entry.
 */
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../journal/journal.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { OffsetRuns } from './offset-runs.ts';
import {
  leasesEnded,
  recordsAcquired,
  type AcquiredPart,
  type EndedPart,
  type ReturnedRecord,
} from './share-entries.ts';

/** A partition of a share group: the same object in every call. */
export interface PartitionName {
  readonly topicId: number;
  readonly group: string;
  readonly partition: number;
}

/** An entry that is so large takes no more. */
const ENTRY_BYTES = 1024 * 1024;
/** Of a record that comes back without an error text, encoded, at most. */
const RETURNED_BYTES = 20;
/** Of a UTF-16 unit in UTF-8, at most. */
const UNIT_BYTES_MAX = 3;

interface Round<B> {
  readonly parts: Map<PartitionName, B>;
  sizeBytes: number;
  readonly done: Promise<void>;
}

/** Attempts in one partition, that wait for the end of the turn. */
export class AcquiredBuilder {
  readonly offsets = new OffsetRuns();
  /** Offsets that hold no record. */
  readonly absent = new OffsetRuns();
}

/** Ends of leases in one partition, that wait for the end of the turn. */
export class EndedBuilder {
  readonly acked = new OffsetRuns();
  readonly undelivered = new OffsetRuns();
  readonly expired = new OffsetRuns();
  readonly returned: ReturnedRecord[] = [];
}

export class LeaseJournal {
  readonly #journal: Journal;
  readonly #clock: Clock;
  #acquired: Round<AcquiredBuilder> | null = null;
  /** By the level that it is journaled at. */
  readonly #ended = new Map<DurabilityLevel, Round<EndedBuilder>>();

  constructor({ journal, clock }: { readonly journal: Journal; readonly clock: Clock }) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /**
   * Journals attempts: all of a turn in one entry, so all of them come to something, or none does.
   *
   * @param collect  adds them to what is journaled at the end of the turn
   * @returns resolves when they would survive the process
   */
  acquired(name: PartitionName, collect: (to: AcquiredBuilder) => void): Promise<void> {
    const round = (this.#acquired ??= begin((parts: Map<PartitionName, AcquiredBuilder>) => {
      this.#acquired = null;
      return this.#writeAcquired(parts);
    }));
    let part = round.parts.get(name);
    if (part === undefined) {
      part = new AcquiredBuilder();
      round.parts.set(name, part);
    }
    collect(part);
    return round.done;
  }

  /**
   * Journals the end of leases.
   *
   * @param collect  adds them to what is journaled at the end of the turn
   * @returns resolves when that has reached `durability`
   */
  ended(
    name: PartitionName,
    durability: DurabilityLevel,
    collect: (to: EndedBuilder) => void,
  ): Promise<void> {
    let round = this.#ended.get(durability) ?? null;
    if (round === null || round.sizeBytes > ENTRY_BYTES) {
      const own: Round<EndedBuilder> = begin((parts: Map<PartitionName, EndedBuilder>) => {
        if (this.#ended.get(durability) === own) this.#ended.delete(durability);
        return this.#writeEnded(parts, durability);
      });
      round = own;
      this.#ended.set(durability, own);
    }
    let part = round.parts.get(name);
    if (part === undefined) {
      part = new EndedBuilder();
      round.parts.set(name, part);
    }
    const count = part.returned.length;
    collect(part);
    for (let at = count; at < part.returned.length; at++) {
      round.sizeBytes += RETURNED_BYTES + UNIT_BYTES_MAX * (part.returned[at]?.error.length ?? 0);
    }
    return round.done;
  }

  async #writeAcquired(collected: ReadonlyMap<PartitionName, AcquiredBuilder>): Promise<void> {
    const parts: AcquiredPart[] = [];
    for (const [{ topicId, group, partition }, { offsets, absent }] of collected) {
      parts.push({ topicId, group, partition, offsets: offsets.take(), absent: absent.take() });
    }
    await this.#journal.append(recordsAcquired, { parts }, 'os');
  }

  async #writeEnded(
    collected: ReadonlyMap<PartitionName, EndedBuilder>,
    durability: DurabilityLevel,
  ): Promise<void> {
    const parts: EndedPart[] = [];
    for (const [{ topicId, group, partition }, part] of collected) {
      const { acked, undelivered, expired, returned } = part;
      parts.push({
        topicId,
        group,
        partition,
        acked: acked.take(),
        undelivered: undelivered.take(),
        expired: expired.take(),
        returned,
      });
    }
    await this.#journal.append(leasesEnded, { parts, timeMs: this.#clock.now() }, durability);
  }
}

/**
 * Waits for attempts of one turn, in several partitions.
 *
 * @throws what kept them from being journaled. If some were all the same, they would stay acquired, and
 *   nobody would have them
 */
export async function allOrNone(pending: readonly Promise<void>[]): Promise<void> {
  try {
    await Promise.all(pending);
  } catch (error) {
    const ends = await Promise.allSettled(pending);
    assert(
      ends.every(({ status }) => status === 'rejected'),
      'a turn has one entry of attempts',
    );
    throw error;
  }
}

/** A round that is written at the end of the turn. */
function begin<B>(write: (parts: Map<PartitionName, B>) => Promise<void>): Round<B> {
  const parts = new Map<PartitionName, B>();
  const done = new Promise<void>((resolve, reject) => {
    process.nextTick(() => {
      write(parts).then(resolve, reject);
    });
  });
  return { parts, sizeBytes: 0, done };
}
