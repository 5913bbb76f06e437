/** The topics that bindings lead to, as small numbers, and the bindings of each. */
import { present } from '../core/assert.ts';
import { END, type BindingLists } from './binding-lists.ts';

export class TopicTable {
  readonly #lists: BindingLists;
  readonly #numbers = new Map<number, number>();
  /** By number. */
  readonly #topicIds: number[] = [];
  /** Heads of the lists of the bindings that lead there, by number; `END` = the number is free. */
  readonly #heads: number[] = [];
  readonly #free: number[] = [];

  constructor(lists: BindingLists) {
    this.#lists = lists;
  }

  /** All numbers are below it. */
  get capacity(): number {
    return this.#topicIds.length;
  }

  topicIdAt(number: number): number {
    return present(this.#topicIds[number], 'the number is in use');
  }

  /** Head of the list of the bindings that lead to a topic. */
  headOf(topicId: number): number {
    const number = this.#numbers.get(topicId);
    return number === undefined ? END : (this.#heads[number] ?? END);
  }

  /** A binding leads to a topic. @returns the topic's number */
  add(topicId: number, slot: number): number {
    const number = this.#numbers.get(topicId) ?? this.#number(topicId);
    this.#heads[number] = this.#lists.push(this.#heads[number] ?? END, slot);
    return number;
  }

  /** The binding is gone, and with its last one the number of the topic. */
  remove(topicId: number, slot: number): void {
    const number = present(this.#numbers.get(topicId), 'a binding leads to the topic');
    const head = this.#lists.remove(this.#heads[number] ?? END, slot);
    this.#heads[number] = head;
    if (head !== END) return;
    this.#numbers.delete(topicId);
    this.#free.push(number);
  }

  #number(topicId: number): number {
    const number = this.#free.pop() ?? this.#topicIds.length;
    this.#topicIds[number] = topicId;
    this.#heads[number] = END;
    this.#numbers.set(topicId, number);
    return number;
  }
}
