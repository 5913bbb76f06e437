/**
 * Lists of bindings by slot; a slot is in one of them at most.
 *
 * @hot The links lie in two arrays, so a list costs whoever holds it one number, its head, and a
 * binding 8 bytes.
 */
import type { MatchList } from './match-list.ts';

const CAPACITY = 16;

/** Head of an empty list, and what follows the last. */
export const END = -1;

export class BindingLists {
  /** The slot behind each, or `END`. */
  next = new Int32Array(CAPACITY);
  #previous = new Int32Array(CAPACITY);

  /** Puts a slot in front. @returns the new head */
  push(head: number, slot: number): number {
    if (slot >= this.next.length) this.#grow(slot);
    this.next[slot] = head;
    this.#previous[slot] = END;
    if (head !== END) this.#previous[head] = slot;
    return slot;
  }

  /** Takes out a slot that is in the list of `head`. @returns the new head */
  remove(head: number, slot: number): number {
    const after = this.next[slot] as number;
    const before = this.#previous[slot] as number;
    if (after !== END) this.#previous[after] = before;
    if (before === END) return after;
    this.next[before] = after;
    return head;
  }

  /** Adds every slot of a list. */
  addAll(head: number, into: MatchList): void {
    const { next } = this;
    for (let slot = head; slot !== END; slot = next[slot] as number) into.add(slot);
  }

  #grow(slot: number): void {
    const size = Math.max(slot + 1, 2 * this.next.length);
    this.next = copyOf(this.next, size);
    this.#previous = copyOf(this.#previous, size);
  }
}

function copyOf(array: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(size);
  copy.set(array);
  return copy;
}
