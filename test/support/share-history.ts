/** Random entries about share groups that no rule refuses. */
import type { EntryType } from '../../src/journal/entry-type.ts';
import { present } from '../../src/core/assert.ts';
import {
  DEATH_REASONS,
  leasesEnded,
  leasesOpened,
  purgeUndone,
  recordsAcquired,
  recordsDied,
  recordsRemoved,
  recordsRevived,
  shareGroupAltered,
  shareGroupCreated,
  shareGroupDeleted,
  sharePaused,
  sharePurged,
  shareStarted,
  shareTrimmed,
} from '../../src/queue/share-entries.ts';
import type { ShareSettings } from '../../src/queue/share-settings.ts';

/** Three numbers from which everything about a step follows. */
export interface ShareDraw {
  readonly one: number;
  readonly two: number;
  readonly timeMs: number;
}

/** Takes an entry with its type. */
export type Say<R> = <E>(type: EntryType<E>, value: E) => R;

const GROUPS = ['jobs', 'übrige'];
const REMOVALS = ['cancelled', 'redriven', 'missing'] as const;
const PARTITIONS = [0, 1];
/** Few offsets, so that what happens to a record happens to one that was seen before. */
const OFFSETS = 12;

/** Weights by repetition: what moves records is said more often than what changes the group. */
const KINDS = [
  'acquired',
  'acquired',
  'acquired',
  'acquired',
  'ended',
  'ended',
  'ended',
  'ended',
  'opened',
  'died',
  'died',
  'removed',
  'revived',
  'purged',
  'undone',
  'trimmed',
  'paused',
  'altered',
  'started',
  'deleted',
] as const;

export function shareSettingsOf(one: number, two: number): ShareSettings {
  return {
    leaseMs: 10 + two,
    failuresMax: one % 3 === 0 ? null : 1 + two,
    expiriesMax: two % 3 === 0 ? null : 1 + (one % 250),
    leasedMax: 1 + one,
    deadLetter: one % 2 === 0 ? null : `dead ${two}`,
    deadLetterRoutingKey: one % 3 === 0 ? null : `key ${two}`,
    retention: two % 2 === 0 ? 'keep' : 'settled',
  };
}

export class ShareHistory {
  /** Ids of groups that are there, and whether they have begun in their partitions. */
  readonly #groups = new Map<string, boolean>();

  /** The next step of a group of the topic. */
  step<R>(topicId: number, draw: ShareDraw, say: Say<R>): R {
    const { one, two, timeMs } = draw;
    const group = present(GROUPS[two % GROUPS.length], 'a name');
    const name = { topicId, group };
    const id = `${topicId}/${group}`;
    const hasBegun = this.#groups.get(id);
    this.#groups.set(id, hasBegun !== undefined);
    if (hasBegun === undefined) {
      return say(shareGroupCreated, { ...name, settings: shareSettingsOf(one, two), timeMs });
    }
    // Draws prefer small numbers; kinds must not.
    const spread = (31 * one + 17 * two + 7 * timeMs) % KINDS.length;
    const kind = hasBegun ? present(KINDS[spread], 'a kind') : 'started';
    if (kind === 'deleted') {
      this.#groups.delete(id);
      return say(shareGroupDeleted, name);
    }
    if (kind === 'acquired' || kind === 'ended') return this.#manyParts(name, draw, kind, say);
    return changeShare(name, draw, kind, say);
  }

  /** Of several partitions, and now and then of a group that is not there. */
  #manyParts<R>(
    name: { topicId: number; group: string },
    { one, two, timeMs }: ShareDraw,
    kind: 'acquired' | 'ended',
    say: Say<R>,
  ): R {
    const wide = Math.floor(one / KINDS.length);
    const places = PARTITIONS.slice(0, 1 + (wide % PARTITIONS.length)).map((partition) => ({
      ...name,
      partition,
    }));
    if (wide % 7 === 0) places.push({ topicId: name.topicId, group: 'gone', partition: 0 });
    if (kind === 'acquired') {
      const parts = places.map((place, at) => ({
        ...place,
        offsets: runsOf(wide + at, two),
        absent: (wide + two) % 4 === 0 ? runsOf(two, wide) : [],
      }));
      return say(recordsAcquired, { parts });
    }
    const parts = places.map((place, at) => ({
      ...place,
      acked: wide % 3 === 0 ? runsOf(wide + at, two) : [],
      undelivered: two % 3 === 0 ? runsOf(two, wide + at) : [],
      expired: wide % 2 === 0 ? runsOf(two + at, wide + 1) : [],
      returned: [0, 1, 2].map((next) => ({
        offset: (wide + next * (1 + two)) % OFFSETS,
        isFailed: (two + next) % 2 === 0,
        dueMs: (wide + next) % 2 === 0 ? 0 : timeMs + two,
        error: (two + next) % 3 === 0 ? '' : `broke ${one}`,
      })),
    }));
    return say(leasesEnded, { parts, timeMs });
  }
}

type SmallKind = Exclude<(typeof KINDS)[number], 'acquired' | 'ended' | 'deleted'>;

function changeShare<R>(
  name: { topicId: number; group: string },
  draw: ShareDraw,
  kind: SmallKind,
  say: Say<R>,
): R {
  const { one, two, timeMs } = draw;
  const wide = Math.floor(one / KINDS.length);
  const place = { ...name, partition: two % 3 }; // 2 is one that was never begun.
  const starts = PARTITIONS.map((partition) => ({
    partition,
    logId: 100 + wide,
    offset: two % 4,
  }));
  const parts = PARTITIONS.map((partition) => ({ partition, endOffset: (wide + two) % OFFSETS }));
  const offsets = runsOf(wide, two);
  const records = [0, 1].map((next) => ({
    offset: (wide + next) % OFFSETS,
    reason: present(DEATH_REASONS[(two + next) % DEATH_REASONS.length], 'a reason'),
    error: next === 0 ? `died ${two}` : '',
  }));
  const cause = present(REMOVALS[wide % REMOVALS.length], 'a cause');
  const settings = shareSettingsOf(two, one);
  const makers: Record<SmallKind, () => R> = {
    started: () => say(shareStarted, { ...name, starts, timeMs }),
    opened: () => say(leasesOpened, { ...name, ownerEpoch: 1 + wide, timeMs }),
    died: () => say(recordsDied, { ...place, records, isKept: two % 3 !== 0, timeMs }),
    removed: () => say(recordsRemoved, { ...place, offsets, cause }),
    revived: () => say(recordsRevived, { ...place, offsets: [0, OFFSETS] }),
    purged: () => say(sharePurged, { ...name, parts, timeMs }),
    undone: () => say(purgeUndone, name),
    trimmed: () => say(shareTrimmed, { ...place, startOffset: wide % OFFSETS }),
    paused: () => say(sharePaused, { ...name, isPaused: wide % 2 === 0 }),
    altered: () => say(shareGroupAltered, { ...name, settings, timeMs }),
  };
  return makers[kind]();
}

/** One or two runs below the bound. */
function runsOf(one: number, two: number): readonly number[] {
  const start = one % OFFSETS;
  const count = 1 + (two % 4);
  const next = start + count + 1 + (two % 2);
  return one % 2 === 0 ? [start, count] : [start, count, next, 1 + (one % 3)];
}
