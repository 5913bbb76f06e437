/** Random histories of topics, groups, share groups, exchanges and producers that no rule refuses, as entries for a journal. */
import * as fc from 'fast-check';

import { COMPRESSION_NAMES } from '../../src/format/compression.ts';
import { groupDeleted, groupReset, offsetsCommitted } from '../../src/group/group-state.ts';
import type { EntryType } from '../../src/journal/entry-type.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { COMPACTIONS } from '../../src/log/compaction-options.ts';
import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import { DEDUP_BY, DEDUP_SCOPES } from '../../src/topic/dedup-options.ts';
import {
  partitionsAdded,
  topicAltered,
  topicCreated,
  topicDeleted,
  topicDeleting,
  type TopicSettings,
} from '../../src/topic/topic-state.ts';
import { UNFINISHED_POLICIES } from '../../src/topic/unfinished-options.ts';
import {
  GROUP_KINDS,
  PASS_OUTCOMES,
  PASS_REASONS,
  unfinishedPassed,
} from '../../src/topic/unfinished-passed.ts';
import { ExchangeHistory } from './exchange-history.ts';
import { ProducerHistory } from './producer-history.ts';
import { ShareHistory } from './share-history.ts';

/** One step: an entry, or a snapshot run that begins. */
export interface HistoryStep {
  /** Of the entry; `run` for a snapshot run. */
  readonly name: string;
  /** Null for a run. */
  readonly append: ((journal: Journal, durability?: 'os' | 'sync') => Promise<number>) | null;
}

interface Draw {
  readonly what: number;
  readonly one: number;
  readonly two: number;
}

interface KnownTopic {
  partitionCount: number;
  isDeleting: boolean;
}

const TOPICS_MAX = 5;
const GROUP_NAMES = ['g', 'other', 'übrige'];

/** Long enough for everything to happen in a thousand of them. */
export const histories = historiesWith({ lengthMax: 26, runFrom: 90, size: 'max' });

/** Long ones with many snapshot runs. */
export const longHistories = historiesWith({ lengthMax: 40, runFrom: 80, size: 'max' });

interface HistoryShape {
  readonly lengthMax: number;
  /** Draws of 0 to 99 from here on are snapshot runs. */
  readonly runFrom: number;
  readonly size?: 'max';
}

/** Draws what happens; what cannot happen at its place becomes something that can. */
function historiesWith({
  lengthMax: maxLength,
  runFrom,
  ...size
}: HistoryShape): fc.Arbitrary<readonly HistoryStep[]> {
  const draw = fc.record({ what: fc.nat(99), one: fc.nat(999), two: fc.nat(999) });
  return fc.array(draw, { minLength: 1, maxLength, ...size }).map((draws) => {
    const maker = new HistoryMaker();
    return draws.map((one, at) =>
      one.what >= runFrom ? { name: 'run', append: null } : maker.step(one, 1000 + at),
    );
  });
}

export function settingsOf(one: number, two: number): TopicSettings {
  return {
    durability: DURABILITY_LEVELS[one % DURABILITY_LEVELS.length] ?? 'sync',
    flushMs: two,
    segmentBytesMax: 4096 + one,
    segmentAgeMsMax: one % 2 === 0 ? null : two,
    retentionMs: two % 2 === 0 ? null : one,
    retentionBytes: one % 3 === 0 ? null : two,
    recordBytesMax: 1 + two,
    batchBytesMax: 1024 + one,
    compression: COMPRESSION_NAMES[two % COMPRESSION_NAMES.length] ?? 'none',
    compressionLevel: two % 5 === 0 ? null : two % 9,
    dedupWindowMs: one % 2 === 0 ? 'settled' : 1 + two,
    dedupBy: DEDUP_BY[two % DEDUP_BY.length] ?? 'id',
    dedupScope: DEDUP_SCOPES[one % DEDUP_SCOPES.length] ?? 'topic',
    compaction: COMPACTIONS[one % COMPACTIONS.length] ?? 'off',
    compactionLagMsMin: two,
    compactionLagMsMax: one % 2 === 0 ? null : 1 + two,
    compactionShareMin: 1 / (1 + one),
    tombstoneRetentionMs: one + two,
    unfinished: two % 4 === 0 ? null : (UNFINISHED_POLICIES[two % 3] ?? null),
    archiveTo: one % 4 === 0 ? null : `topic ${two % 7}`,
  };
}

class HistoryMaker {
  readonly #topics = new Map<number, KnownTopic>();
  readonly #shares = new ShareHistory();
  readonly #exchanges = new ExchangeHistory();
  readonly #producers = new ProducerHistory();
  #nextTopicId = 1;
  #nextLogId = 100;

  step(draw: Draw, timeMs: number): HistoryStep {
    const { what, one } = draw;
    const live = [...this.#topics].filter(([, { isDeleting }]) => !isDeleting);
    const [topicId, topic] = live[one % Math.max(1, live.length)] ?? [];
    const isRoom = live.length < TOPICS_MAX;
    if (topicId === undefined || topic === undefined || (what < 14 && isRoom)) {
      return this.#create(draw, timeMs);
    }
    if (what < 44) return this.#changeTopic(topicId, topic, { ...draw, timeMs });
    const which = (one + draw.two + timeMs) % 10;
    if (which < 3) {
      return this.#exchanges.step<HistoryStep>({ one, two: draw.two, timeMs }, entry);
    }
    if (which === 3) {
      const liveIds = live.map(([id]) => id);
      return this.#producers.step<HistoryStep>(liveIds, { one, two: draw.two, timeMs }, entry);
    }
    if (which === 4) return passed(topicId, topic, { ...draw, timeMs });
    if (draw.two % 3 > 0) {
      // Another third of the draw, for this one has made the choice; one topic, so that much happens to it.
      const two = Math.floor(draw.two / 3);
      const [[firstId] = [topicId]] = live;
      return this.#shares.step<HistoryStep>(firstId, { one, two, timeMs }, entry);
    }
    return changeGroup(topicId, topic, { ...draw, timeMs });
  }

  #create({ one, two }: Draw, timeMs: number): HistoryStep {
    const topicId = this.#nextTopicId++;
    const partitionCount = 1 + (two % 4);
    this.#topics.set(topicId, { partitionCount, isDeleting: false });
    const logIds = this.#logIds(partitionCount);
    const options = settingsOf(one, two);
    return entry(topicCreated, { topicId, name: `topic ${one % 7}`, logIds, options, timeMs });
  }

  #changeTopic(topicId: number, topic: KnownTopic, draw: Draw & { timeMs: number }): HistoryStep {
    const { what, one, two, timeMs } = draw;
    if (what < 24) {
      return entry(topicAltered, { topicId, options: settingsOf(two, one), timeMs });
    }
    if (what < 34) {
      const logIds = this.#logIds(1 + (two % 3));
      topic.partitionCount += logIds.length;
      return entry(partitionsAdded, { topicId, logIds, timeMs });
    }
    const [deletingId] = [...this.#topics].find(([, { isDeleting }]) => isDeleting) ?? [];
    if (what < 39 || deletingId === undefined) {
      topic.isDeleting = true;
      return entry(topicDeleting, { topicId, timeMs });
    }
    this.#topics.delete(deletingId);
    return entry(topicDeleted, { topicId: deletingId });
  }

  #logIds(count: number): number[] {
    return Array.from({ length: count }, () => this.#nextLogId++);
  }
}

function changeGroup(
  topicId: number,
  { partitionCount }: KnownTopic,
  { what, one, two, timeMs }: Draw & { timeMs: number },
): HistoryStep {
  const group = GROUP_NAMES[two % GROUP_NAMES.length] ?? '';
  if (what >= 84) return entry(groupDeleted, { topicId, group });
  const positions = Array.from({ length: 1 + (one % partitionCount) }, (_, at) => ({
    partition: (at + two) % partitionCount,
    logId: 100 + two,
    offset: one * (at + 1),
    epoch: two % 3,
    metadata: one % 4 === 0 ? '' : `note ${one}`,
  }));
  if (what >= 74) return entry(groupReset, { topicId, group, positions, timeMs });
  // Another group of the same topic shares the entry now and then.
  const other = { topicId, group: GROUP_NAMES[one % GROUP_NAMES.length] ?? '', positions };
  const groups = [{ topicId, group, positions }, ...(other.group === group ? [] : [other])];
  return entry(offsetsCommitted, { groups, timeMs });
}

/** Of groups that are there or not: what was counted outlives a group. */
function passed(
  topicId: number,
  { partitionCount }: KnownTopic,
  { one, two, timeMs }: Draw & { timeMs: number },
): HistoryStep {
  return entry(unfinishedPassed, {
    topicId,
    partition: two % partitionCount,
    groupKind: GROUP_KINDS[one % GROUP_KINDS.length] ?? 'share',
    group: GROUP_NAMES[two % GROUP_NAMES.length] ?? '',
    reason: PASS_REASONS[(one + two) % PASS_REASONS.length] ?? 'age',
    outcome: PASS_OUTCOMES[Math.floor(one / 2) % PASS_OUTCOMES.length] ?? 'skipped',
    count: two,
    fromOffset: one,
    toOffset: one + two,
    timeMs,
  });
}

function entry<E>(type: EntryType<E>, value: E): HistoryStep {
  return {
    name: type.name,
    append: (journal, durability = 'os') => journal.append(type, value, durability),
  };
}
