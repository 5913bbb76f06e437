/** What processes said before they were killed. */

const WORDS = ['sent', 'moved', 'threw', 'late', 'aborted'] as const;

/**
 * `sent` and `moved`: acknowledged transfers. The others are what went wrong on purpose: a handler that
 * threw or gave up half way, and one that ended behind its lease.
 */
export type Word = (typeof WORDS)[number];

export class Told {
  readonly sent = new Set<number>();
  readonly moved = new Set<number>();
  readonly counts: Record<Word, number> = { sent: 0, moved: 0, threw: 0, late: 0, aborted: 0 };

  /** Takes in all that a process said; a last line that is cut was not said. */
  hear(said: string): void {
    for (const line of said.slice(0, said.lastIndexOf('\n') + 1).split('\n')) {
      const [first = '', number = ''] = line.split(' ');
      const word = WORDS.find((each) => each === first);
      if (word === undefined) continue;
      this.counts[word]++;
      if (word === 'sent' || word === 'moved') this[word].add(Number(number));
    }
  }
}
