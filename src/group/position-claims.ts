/** Which transactions commit positions of one member. */
import { ConflictError } from '../core/errors.ts';
import type { PartCollector } from '../transaction/commit-part.ts';
import type { Ownership } from './coordinator.ts';

/**
 * A position says that all below it is done. Of two transactions at the same time, the one that ends last
 * would say where the group is: what the other has done would be done again, or, when that one fails, never.
 * So a partition is one transaction's at a time. Nobody waits: whoever did, inside of the other, would
 * wait for himself.
 */
export class PositionClaims {
  /** Weak: one that never ends does not outlast the right of its member. */
  readonly #holders = new WeakMap<Ownership, PartCollector>();

  /** @throws ConflictError while another one, which may still be committed, has the partition */
  check(group: string, ownership: Ownership, transaction: PartCollector): void {
    const holder = this.#holders.get(ownership);
    if (holder === undefined || holder === transaction || holder.isOver) return;
    const { id, name } = holder.label;
    throw positionConflict(group, ownership, {
      stored: `by transaction ${name === '' ? id : name}, which is not over`,
      requested: 'by another one: one at a time, for a position is of all below it',
    });
  }

  /** Behind a `check` in the same step. */
  claim(ownership: Ownership, transaction: PartCollector): void {
    this.#holders.set(ownership, transaction);
  }

  /** No effect when another one has it by now. */
  release(ownership: Ownership, transaction: PartCollector): void {
    if (this.#holders.get(ownership) === transaction) this.#holders.delete(ownership);
  }
}

/** Of a position that must not be committed in a transaction. */
export function positionConflict(
  group: string,
  { partition }: Ownership,
  told: Pick<ConflictError['details'], 'stored' | 'requested'>,
): ConflictError {
  const name = `of group ${group} in partition ${partition}`;
  return new ConflictError({ kind: 'position', name, ...told });
}
