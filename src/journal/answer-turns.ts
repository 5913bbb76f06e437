/**
 * In which turns of the event loop commits are answered.
 *
 * Who is answered mostly commits again, and while many do, nobody sees what the disk has ended. So while
 * others wait for the disk they go to it first, and those that are done hear of it in the turns that
 * follow; and never all in one, or all would wait for the disk together, and then the disk for all.
 */
import { inNextTurn, nextTurn } from '../core/clock.ts';

/** Those that are answered in one turn: half a millisecond, if each begins anew. */
const ANSWERS_PER_TURN = 64;

export class AnswerTurns<C> {
  readonly #answer: (commit: C) => void;
  #done: C[] = [];
  #answered = 0;

  /** @param answer  must not throw */
  constructor(answer: (commit: C) => void) {
    this.#answer = answer;
  }

  /** @param isAnybodyWaiting  for the disk: then none is answered in this turn */
  add(group: readonly C[], isAnybodyWaiting: boolean): void {
    const isPlanned = this.#answered < this.#done.length;
    for (const commit of group) this.#done.push(commit);
    if (isPlanned) return;
    if (isAnybodyWaiting) inNextTurn(this.#answerSome);
    else this.#answerSome();
  }

  /** Waits until all are answered. */
  async idle(): Promise<void> {
    while (this.#answered < this.#done.length) await nextTurn();
  }

  readonly #answerSome = (): void => {
    const end = Math.min(this.#answered + ANSWERS_PER_TURN, this.#done.length);
    for (const commit of this.#done.slice(this.#answered, end)) {
      this.#answered++;
      this.#answer(commit);
    }
    if (this.#answered < this.#done.length) inNextTurn(this.#answerSome);
    else {
      this.#done = [];
      this.#answered = 0;
    }
  };
}
