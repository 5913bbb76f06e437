/** A fold of share groups, fed entry by entry. */
import type { EntryType } from '../../src/journal/entry-type.ts';
import { Fold } from '../../src/journal/fold.ts';
import {
  leasesEnded,
  recordsAcquired,
  recordsDied,
  shareGroupCreated,
  shareStarted,
} from '../../src/queue/share-entries.ts';
import { newShareSettings } from '../../src/queue/share-settings.ts';
import { shareGroups } from '../../src/queue/share-state.ts';

const TIME_MS = 7;

/** A group in a partition. */
export interface SharePlace {
  readonly topicId: number;
  readonly group: string;
  readonly partition: number;
}

export class ShareFold {
  readonly fold = new Fold([shareGroups]);
  #entryCount = 0;

  /** @throws when it does not fit */
  say<E>(type: EntryType<E>, value: E): void {
    const misfit = this.fold.apply({ type, value }, this.#entryCount++);
    if (misfit !== null) throw new Error(misfit);
  }

  create({ topicId, group }: SharePlace, retention: 'keep' | 'settled'): void {
    const settings = newShareSettings({ retention }, {});
    this.say(shareGroupCreated, { topicId, group, settings, timeMs: TIME_MS });
  }

  start({ topicId, group, partition }: SharePlace, logId: number, offset: number): void {
    const starts = [{ partition, logId, offset }];
    this.say(shareStarted, { topicId, group, starts, timeMs: TIME_MS });
  }

  /** @param offsets  runs */
  acquire(place: SharePlace, offsets: readonly number[]): void {
    this.say(recordsAcquired, { parts: [{ ...place, offsets, absent: [] }] });
  }

  /** @param acked  runs */
  ack(place: SharePlace, acked: readonly number[]): void {
    const parts = [{ ...place, acked, undelivered: [], expired: [], returned: [] }];
    this.say(leasesEnded, { parts, timeMs: TIME_MS });
  }

  /** @param dueMs  0 = at once */
  giveBack(place: SharePlace, offset: number, dueMs: number): void {
    const returned = [{ offset, isFailed: true, dueMs, error: '' }];
    const parts = [{ ...place, acked: [], undelivered: [], expired: [], returned }];
    this.say(leasesEnded, { parts, timeMs: TIME_MS });
  }

  die(place: SharePlace, offset: number, isKept: boolean): void {
    const records = [{ offset, reason: 'rejected' as const, error: '' }];
    this.say(recordsDied, { ...place, records, isKept, timeMs: TIME_MS });
  }
}
