/** What retention does with records that a group still needs: options of a topic, checked. */
import { argumentError, checkChoice } from '../core/assert.ts';
import { ConflictError, NotFoundError } from '../core/errors.ts';
import { checkName, exchangeOfSource } from './topic-names.ts';

/** Names may only be added at the end: the journal has their places. */
export const UNFINISHED_POLICIES = ['skip', 'wait', 'archive'] as const;

export type UnfinishedPolicy = (typeof UNFINISHED_POLICIES)[number];

/**
 * What becomes of records that `retentionMs` or `retentionBytes` would take, and that a consumer group has
 * not committed or a share group not settled; where a group has nothing committed, it needs all. What goes
 * is counted by group (`Store.describeTopic`). What a share group keeps as dead is done with; what a queue has
 * settled goes whatever a consumer group needs, and `deleteBefore` has its way: both are counted, too, but for
 * what a queue lets go of by rewriting a segment: a consumer group reads on behind that, and nobody counts it.
 */
export interface UnfinishedConfig {
  /**
   * `wait`: they stay until nobody needs them, also beyond `retentionBytes` and `storeBytesMax`; health says
   * `retention-waits` after an hour. `skip`: they go, and the groups pass over them. `archive`: each is
   * copied to `archiveTo` for the group that needed it, with headers like those of a dead letter (reason
   * `retention`), and goes with the next look; what is leased is waited for, and so is what cannot be copied.
   * The commit that brings the copy settles the record of a share group, and moves the position of a consumer
   * group that has no members. Members keep their places: while the record is there (another group may hold
   * it), they, and who comes after them, may still read what was archived for the group; once it is gone they
   * meet `whenLost`, as with `skip`. Altered options count from the next commit on. Default null = `wait` while
   * the topic is a queue, else `skip`.
   */
  readonly unfinished?: UnfinishedPolicy | null | undefined;
  /**
   * Name of the topic that `archive` copies to, and needs: one that is there, not this one nor one that
   * archives here, whose `recordBytesMax` is not smaller, and no source of an exchange; default null. Should it be deleted, records wait, and health says so, until there is
   * one of that name again, or another is named.
   */
  readonly archiveTo?: string | null | undefined;
}

/** `UnfinishedConfig` with every default filled in. */
export interface UnfinishedSettings {
  /** Null: as the topic is a queue or not. */
  readonly unfinished: UnfinishedPolicy | null;
  readonly archiveTo: string | null;
}

export const UNFINISHED_OPTION_NAMES = [
  'unfinished',
  'archiveTo',
] as const satisfies readonly (keyof UnfinishedSettings)[];

/** Of topics from before there were any. */
export const UNFINISHED_DEFAULTS: UnfinishedSettings = { unfinished: null, archiveTo: null };

/** @throws TypeError, RangeError */
export function newUnfinishedSettings(given: UnfinishedConfig): UnfinishedSettings {
  const { unfinished = UNFINISHED_DEFAULTS.unfinished, archiveTo = UNFINISHED_DEFAULTS.archiveTo } =
    given;
  if (unfinished !== null) checkChoice('unfinished', unfinished, UNFINISHED_POLICIES);
  if (archiveTo !== null && exchangeOfSource(checkName('archiveTo', archiveTo)) !== null) {
    throw argumentError(RangeError, 'archiveTo', 'a topic, no source of an exchange', archiveTo);
  }
  if (unfinished === 'archive' && archiveTo === null) {
    const expected = 'the name of a topic: `unfinished` is archive';
    throw argumentError(TypeError, 'archiveTo', expected, archiveTo);
  }
  return { unfinished, archiveTo };
}

/** What becomes of unfinished work in a topic with these settings. */
export function policyOf({ unfinished }: UnfinishedSettings, isQueue: boolean): UnfinishedPolicy {
  return unfinished ?? (isQueue ? 'wait' : 'skip');
}

/** What has to be known of a topic to archive in it, or from it. */
export interface ArchivePlace extends UnfinishedSettings {
  readonly recordBytesMax: number;
}

/** The topics there are. */
export interface ArchiveTopics {
  /** Null when there is none of that name. */
  at(name: string): ArchivePlace | null;
  names(): Iterable<string>;
}

/**
 * Whether the topic that records are to be archived in can be that, and whether this one still can be it for
 * others. One that was stored before is not looked for again: it may have been deleted, and other options
 * can be changed all the same.
 *
 * @param given     what is asked for now
 * @param settings  as they will be
 * @throws RangeError for this topic itself; NotFoundError; ConflictError when records would go round, or
 *   those of one may be larger than the other takes
 */
export function checkArchive(
  topic: string,
  given: UnfinishedConfig & { readonly recordBytesMax?: number | undefined },
  settings: ArchivePlace,
  topics: ArchiveTopics,
): void {
  if (given.recordBytesMax !== undefined) checkArchivedHere(topic, settings, topics);
  const { archiveTo, unfinished } = settings;
  if (archiveTo === null) return;
  if (given.archiveTo !== undefined || given.unfinished === 'archive') {
    if (archiveTo === topic) {
      throw argumentError(RangeError, 'archiveTo', 'another topic than this one', archiveTo);
    }
    if (topics.at(archiveTo) === null) throw new NotFoundError({ kind: 'topic', name: archiveTo });
    if (unfinished === 'archive') checkNoRound(topic, archiveTo, topics);
  } else if (given.recordBytesMax === undefined) return;
  const target = topics.at(archiveTo);
  if (target !== null) checkFits([topic, settings], [archiveTo, target]);
}

/** @throws ConflictError when what is archived there would come back some day */
function checkNoRound(topic: string, archiveTo: string, topics: ArchiveTopics): void {
  const passed = new Set<string>();
  for (let name: string | null = archiveTo; name !== null && !passed.has(name);) {
    passed.add(name);
    const place: ArchivePlace | null = topics.at(name);
    if (place?.unfinished !== 'archive') return;
    if (place.archiveTo === topic) {
      const stored = `archiveTo ${topic}`;
      const requested = `to be archived in from ${topic}: records would go round`;
      throw new ConflictError({ kind: 'topic', name, stored, requested });
    }
    name = place.archiveTo;
  }
}

/** @throws ConflictError when another topic archives here that may have larger records */
function checkArchivedHere(topic: string, settings: ArchivePlace, topics: ArchiveTopics): void {
  for (const name of topics.names()) {
    const source = topics.at(name);
    if (source?.archiveTo === topic) checkFits([name, source], [topic, settings]);
  }
}

type Named = readonly [name: string, place: ArchivePlace];

/** @throws ConflictError */
function checkFits([from, source]: Named, [name, target]: Named): void {
  if (source.unfinished !== 'archive' || target.recordBytesMax >= source.recordBytesMax) return;
  const stored = `recordBytesMax ${target.recordBytesMax}`;
  const requested = `to be archived in from ${from}, whose recordBytesMax is ${source.recordBytesMax}`;
  throw new ConflictError({ kind: 'topic', name, stored, requested });
}
