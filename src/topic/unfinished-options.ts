/** What retention does with records that a group still needs: options of a topic, checked. */
import { argumentError, checkChoice } from '../core/assert.ts';
import { NotFoundError } from '../core/errors.ts';
import { checkName, exchangeOfSource } from './topic-names.ts';

/** Names may only be added at the end: the journal has their places. */
export const UNFINISHED_POLICIES = ['skip', 'wait', 'archive'] as const;

export type UnfinishedPolicy = (typeof UNFINISHED_POLICIES)[number];

/**
 * What becomes of records that `retentionMs` or `retentionBytes` would take, and that a consumer group has
 * not committed or a share group not settled. Whatever it is, it is counted by group.
 *
 * Not built yet: these options are checked and kept, and retention skips, as it always did.
 */
export interface UnfinishedConfig {
  /**
   * `wait`: they stay until nobody needs them, also beyond `retentionBytes` and `storeBytesMax`. `skip`:
   * they go, and the groups pass over them. `archive`: each is copied to `archiveTo` for the group that
   * needed it, with headers that say so, and goes. Default null = `wait` while the topic is a queue, else
   * `skip`.
   */
  readonly unfinished?: UnfinishedPolicy | null | undefined;
  /**
   * Name of the topic that `archive` copies to, and needs: one that is there, not this one, and no source
   * of an exchange; default null. Should it be deleted, records wait, and health says so, until there is
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

/**
 * Whether the topic that records are to be archived in can be that. One that was stored before is not
 * looked for again: it may have been deleted, and other options can be changed all the same.
 *
 * @param given    what is asked for now
 * @param isThere  whether there is a topic of a name
 * @throws RangeError, NotFoundError
 */
export function checkArchive(
  topic: string,
  given: UnfinishedConfig,
  { archiveTo }: UnfinishedSettings,
  isThere: (name: string) => boolean,
): void {
  const isAsked = given.archiveTo !== undefined || given.unfinished === 'archive';
  if (archiveTo === null || !isAsked) return;
  if (archiveTo === topic) {
    throw argumentError(RangeError, 'archiveTo', 'another topic than this one', archiveTo);
  }
  if (!isThere(archiveTo)) throw new NotFoundError({ kind: 'topic', name: archiveTo });
}
