/** What retention took of groups that were not done with it: told by entries of the journal, and counted. */
import { choice, text, uint } from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import type { PassReason } from '../log/trim-guard.ts';

/** Names may only be added at the end, of all three: the journal has their places. */
export const GROUP_KINDS = ['consumer', 'share'] as const;
export const PASS_REASONS = [
  'age',
  'size',
  'asked',
  'settled',
] as const satisfies readonly PassReason[];
export const PASS_OUTCOMES = ['skipped', 'archived'] as const;

export type GroupKind = (typeof GROUP_KINDS)[number];
/** `archived`: copied first. */
export type PassOutcome = (typeof PASS_OUTCOMES)[number];

/** Which group, of those of a topic. */
export interface GroupRef {
  readonly groupKind: GroupKind;
  readonly group: string;
}

/** What of a topic went, or was copied to go, while one group was not done with it. */
export interface UnfinishedCount extends GroupRef {
  /** Why it went: by `age` or `size`, somebody `asked`, or a queue has `settled` it and this group has not. */
  readonly reason: PassReason;
  readonly outcome: PassOutcome;
  /**
   * `archived`: copies. `skipped`: what a share group had not settled, and the offsets that a consumer
   * group had not passed; where nobody came past them, offsets without a record count.
   */
  readonly count: number;
}

/** Those of one group. */
export function countsOf(
  counts: readonly UnfinishedCount[],
  groupKind: GroupKind,
  group: string,
): readonly UnfinishedCount[] {
  return counts.filter((each) => each.groupKind === groupKind && each.group === group);
}

/**
 * Records of a partition go, or were copied in the same commit, though a group was not done with them.
 * Synced before the start of the log moves: after a crash in between they are there, and counted.
 */
export const unfinishedPassed = entryType({
  kind: 70,
  name: 'unfinished-passed',
  fields: {
    topicId: uint,
    partition: uint,
    groupKind: choice(GROUP_KINDS),
    group: text,
    reason: choice(PASS_REASONS),
    outcome: choice(PASS_OUTCOMES),
    count: uint,
    /** Of the first of them; and behind the last, or the new start. */
    fromOffset: uint,
    toOffset: uint,
    timeMs: uint,
  },
});
