/** What the look for duplicates has found in this process, and what it keeps in memory for that. */

export interface DedupFigures {
  /** Records that are known by an id, or by their content: those in the windows, and some more. */
  readonly idCount: number;
  /** Memory of the tables of all topics. */
  readonly sizeBytes: number;
  /** Records that were not appended because they were there. */
  readonly duplicateCount: number;
  /** Stored records that were read, to see whether they were the same. */
  readonly confirmedReadCount: number;
}

/** Those of one topic that only grow. */
export class DedupCounts {
  duplicateCount = 0;
  confirmedReadCount = 0;
}

export function sumOfFigures(all: readonly DedupFigures[]): DedupFigures {
  const sum = (of: (figures: DedupFigures) => number) =>
    all.reduce((total, figures) => total + of(figures), 0);
  return {
    idCount: sum(({ idCount }) => idCount),
    sizeBytes: sum(({ sizeBytes }) => sizeBytes),
    duplicateCount: sum(({ duplicateCount }) => duplicateCount),
    confirmedReadCount: sum(({ confirmedReadCount }) => confirmedReadCount),
  };
}
