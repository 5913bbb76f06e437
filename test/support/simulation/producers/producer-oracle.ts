/**
 * What a store owes its producers (A9): each number is stored once, in order in its partition, nothing that
 * was answered is missing, and `last` says so.
 */
import type { ProducerPosition } from '../../../../src/topic/producer-position.ts';
import type { Ending } from '../oracle.ts';

/** A record of a producer, where it was found. */
export interface FoundNumber {
  readonly producer: string;
  readonly sequence: number;
  readonly partition: number;
  readonly offset: number;
}

/** How far the answer to a number goes: it is on its way, written, or synced. */
type Answer = 'sent' | 'written' | 'synced';

const RANK: readonly Answer[] = ['sent', 'written', 'synced'];

export class ProducerOracle {
  readonly #fault: (promise: string, what: string) => void;
  /** By topic and producer, by sequence. */
  readonly #answers = new Map<string, Map<number, Answer>>();
  /** The same: what was found in the logs, or was until somebody deleted it. */
  readonly #there = new Map<string, Map<number, FoundNumber>>();

  /** The same: numbers that may stand behind higher ones. */
  readonly #overtaken = new Map<string, Set<number>>();

  constructor(fault: (promise: string, what: string) => void) {
    this.#fault = fault;
  }

  /** A number is sent, or answered. What was promised once stays promised. */
  told(topic: string, producer: string, sequence: number, answer: Answer): void {
    const answers = this.#answersOf(topic, producer);
    const before = answers.get(sequence) ?? 'sent';
    answers.set(sequence, RANK.indexOf(answer) > RANK.indexOf(before) ? answer : before);
  }

  /**
   * A number was refused, and its producer may leave numbers out: those behind it, which are on their way,
   * are stored all the same, and it comes behind them when it is sent again.
   */
  overtaken(topic: string, producer: string, sequence: number): void {
    const key = `${topic}/${producer}`;
    const sequences = this.#overtaken.get(key) ?? new Set<number>();
    this.#overtaken.set(key, sequences.add(sequence));
  }

  /** Highest that was sent; -1 = none. */
  highest(topic: string, producer: string): number {
    return Math.max(-1, ...this.#answersOf(topic, producer).keys());
  }

  isThere(topic: string, producer: string, sequence: number): boolean {
    return this.#thereOf(topic, producer).has(sequence);
  }

  /**
   * A store was opened again.
   *
   * @param found   all records of a topic, in the order of their partitions
   * @param starts  by partition: what stood below is deleted
   */
  reopened(
    topic: string,
    found: readonly FoundNumber[],
    { ending, starts }: { readonly ending: Ending; readonly starts: readonly number[] },
  ): void {
    for (const [key, there] of this.#there) {
      if (!key.startsWith(`${topic}/`)) continue;
      // What is deleted was stored; all else is what the log says.
      for (const [sequence, { partition, offset }] of there) {
        if (offset >= (starts[partition] ?? 0)) there.delete(sequence);
      }
    }
    const lasts = new Map<string, number>();
    for (const one of found) {
      const { producer, sequence, partition } = one;
      const there = this.#thereOf(topic, producer);
      const what = `${sequence} of ${producer} in ${topic}/${partition}`;
      if (there.has(sequence)) this.#fault('A9', `${what} is there twice`);
      if (!this.#answersOf(topic, producer).has(sequence)) this.#fault('A9', `${what}: never sent`);
      const place = `${producer}/${partition}`;
      const last = lasts.get(place) ?? -1;
      const isOvertaken = this.#overtaken.get(`${topic}/${producer}`)?.has(sequence) === true;
      if (last > sequence && !isOvertaken) this.#fault('A9', `${what} stands behind ${last}`);
      lasts.set(place, Math.max(last, sequence));
      there.set(sequence, one);
    }
    this.#checkAnswered(topic, ending);
  }

  /** Records that are about to be deleted are there. */
  deleting(topic: string, found: readonly FoundNumber[]): void {
    for (const one of found) this.#thereOf(topic, one.producer).set(one.sequence, one);
  }

  /** `last`, right behind an opening. */
  checkLast(topic: string, producer: string, last: ProducerPosition): void {
    const there = this.#thereOf(topic, producer);
    const highest = there.size === 0 ? null : Math.max(...there.keys());
    const what = `last of ${producer} in ${topic} is ${JSON.stringify(last)}`;
    if (last.sequence !== highest) this.#fault('A9', `${what}, and ${highest} is the highest`);
    for (const sequence of this.#answersOf(topic, producer).keys()) {
      if (sequence >= last.resumeFrom || there.has(sequence)) continue;
      this.#fault('A9', `${what}, and ${sequence} is missing`);
    }
    if (last.offset === null || highest === null) return;
    const place = there.get(highest);
    if (place?.offset === last.offset && place.partition === last.partition) return;
    this.#fault('A9', `${what}, and it is at ${place?.partition}/${place?.offset}`);
  }

  #checkAnswered(topic: string, ending: Ending): void {
    for (const [key, answers] of this.#answers) {
      if (!key.startsWith(`${topic}/`)) continue;
      const there = this.#there.get(key);
      for (const [sequence, answer] of answers) {
        const isDue = answer === 'synced' || (answer === 'written' && ending !== 'power');
        if (isDue && there?.has(sequence) !== true) {
          this.#fault('A9', `${sequence} of ${key} was ${answer}, and is gone after ${ending}`);
        }
        // What is there after an opening is synced by it; what is gone may be sent again.
        answers.set(sequence, there?.has(sequence) === true ? 'synced' : 'sent');
      }
    }
  }

  #answersOf(topic: string, producer: string): Map<number, Answer> {
    return mapOf(this.#answers, `${topic}/${producer}`);
  }

  #thereOf(topic: string, producer: string): Map<number, FoundNumber> {
    return mapOf(this.#there, `${topic}/${producer}`);
  }
}

function mapOf<V>(maps: Map<string, Map<number, V>>, key: string): Map<number, V> {
  const known = maps.get(key) ?? new Map<number, V>();
  maps.set(key, known);
  return known;
}
