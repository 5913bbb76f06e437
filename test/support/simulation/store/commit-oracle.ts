/**
 * What a commit over several partitions owes its caller: all of its records or none, none that was
 * refused, all of what was answered, for ever.
 */

/** A record of a commit, or a mark that it leaves in the state, by the place where it was to be. */
export interface CommitPart {
  /** Topic and partition of a record; topic of a mark. */
  readonly place: string;
  readonly id: number;
}

interface Commit {
  readonly parts: readonly CommitPart[];
  status: 'open' | 'answered' | 'refused';
}

export class CommitOracle {
  readonly #fault: (promise: string, what: string) => void;
  #commits: Commit[] = [];

  constructor(fault: (promise: string, what: string) => void) {
    this.#fault = fault;
  }

  /** A commit was handed over; nothing is known of it yet. */
  sent(parts: readonly CommitPart[]): { answered(): void; refused(): void } {
    const commit: Commit = { parts, status: 'open' };
    this.#commits.push(commit);
    return {
      answered: () => void (commit.status = 'answered'),
      refused: () => void (commit.status = 'refused'),
    };
  }

  /** Whether a commit that may be there has this in it. */
  mayHave({ place, id }: CommitPart): boolean {
    return this.#commits.some(
      ({ parts, status }) =>
        status !== 'refused' && parts.some((part) => part.id === id && part.place === place),
    );
  }

  /**
   * A store was opened again. What is there stays, unless it need not.
   *
   * @param isThere  says which records it holds; null = it need not hold this one any more, so nothing follows
   */
  reopened(isThere: (part: CommitPart) => boolean | null): void {
    const kept: Commit[] = [];
    for (const commit of this.#commits) {
      const { status } = commit;
      const parts = commit.parts.filter((part) => isThere(part) !== null);
      const found = parts.filter((part) => isThere(part) === true).length;
      const what = `${found} of ${parts.length} parts of a commit that is ${status}`;
      const wanted = { open: found === 0 ? 0 : parts.length, answered: parts.length, refused: 0 };
      if (found !== wanted[status]) this.#fault(status === 'answered' ? 'A1' : 'A4', what);
      if (found > 0) kept.push({ parts, status: 'answered' });
    }
    this.#commits = kept; // One that was lost may not come back: its offsets are given again.
  }
}
