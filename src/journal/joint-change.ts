/**
 * What many commits have to say of the same thing, said once: of a group of commits their shares become
 * one change, which costs little more than that of a single one.
 */
import type { Change } from './journal.ts';

/**
 * How shares become a change. Methods, for their parameters are then compared both ways: shares meet
 * those of their own kind alone.
 */
export interface Joint<S> {
  /**
   * The change of a group; it must fit the state, whatever that is by then.
   *
   * @param shares  one at least, of different commits
   */
  join(shares: readonly S[]): Change;
}

/** One commit's share in a change of its group. */
export interface JointChange {
  readonly joint: Joint<unknown>;
  readonly share: unknown;
  /** At least as many as it adds to the change, encoded. */
  readonly bytesMax: number;
}

/** A share with what makes changes of such. */
export function jointChange<S>(joint: Joint<S>, share: S, bytesMax: number): JointChange {
  return { joint, share, bytesMax };
}

/** The changes of a group. */
export function joinedChanges(
  group: readonly { readonly joint: readonly JointChange[] }[],
): readonly Change[] {
  const shares = new Map<Joint<unknown>, unknown[]>();
  for (const { joint: own } of group) {
    for (const { joint, share } of own) {
      const others = shares.get(joint);
      if (others === undefined) shares.set(joint, [share]);
      else others.push(share);
    }
  }
  return Array.from(shares, ([joint, all]) => joint.join(all));
}
