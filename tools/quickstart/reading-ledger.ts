/**
 * What a member said that it did, from a pipe; and what that proves after a kill.
 *
 * A line is `read <partition> <first> <next>` (those offsets are added up) or
 * `commit <partition> <offset>` (everything below it is committed).
 */

/** Per partition: the next offset. */
export type Positions = ReadonlyMap<number, number>;

/** Gathers the lines of a pipe; half a line at its end was not said. */
export class ReadingLedger {
  readonly #offsets = new Map<number, Set<number>>();
  readonly #committed = new Map<number, number>();
  #readCount = 0;
  #batchCount = 0;
  #partial = '';

  /** Records, those that came twice counted twice. */
  get readCount(): number {
    return this.#readCount;
  }

  get batchCount(): number {
    return this.#batchCount;
  }

  /** As far as commits were answered. */
  get committed(): Positions {
    return this.#committed;
  }

  /** Those of a partition that were read. */
  offsets(partition: number): ReadonlySet<number> {
    return this.#offsets.get(partition) ?? new Set();
  }

  read(chunk: string): void {
    const lines = (this.#partial + chunk).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line);
  }

  #readLine(line: string): void {
    const match = /^(?:read (\d+) (\d+) (\d+)|commit (\d+) (\d+))$/.exec(line);
    if (match === null) throw new Error(`not a line of a reader: ${JSON.stringify(line)}`);
    const [, partition, first, next, committedPartition, committed] = match;
    if (partition === undefined) {
      this.#committed.set(Number(committedPartition), Number(committed));
      return;
    }
    const offsets = this.#offsets.get(Number(partition)) ?? new Set();
    this.#offsets.set(Number(partition), offsets);
    for (let offset = Number(first); offset < Number(next); offset++) {
      offsets.add(offset);
      this.#readCount += 1;
    }
    this.#batchCount += 1;
  }
}

/** A kill and a resume, counted in records; all but `pastCommit` and `readAgain` must be 0. */
export interface ResumeCheck {
  /** Committed, as the killed member was told, and not committed in the store. */
  readonly commitsLost: number;
  /** Read by the killed member, and not committed. */
  readonly pastCommit: number;
  /** Read by the resumed member although they were committed. */
  readonly beforeCommit: number;
  /** Read by both. Must be `pastCommit`. */
  readonly readAgain: number;
  /** Committed and never read, or not committed and not read after the resume. */
  readonly lost: number;
}

/** What was found where. */
export interface Resume {
  readonly killed: ReadingLedger;
  readonly resumed: ReadingLedger;
  /** In the store, after the kill. */
  readonly committed: Positions;
  readonly endOffsets: Positions;
}

export function checkResume({ killed, resumed, committed, endOffsets }: Resume): ResumeCheck {
  const check = { commitsLost: 0, pastCommit: 0, beforeCommit: 0, readAgain: 0, lost: 0 };
  for (const [partition, endOffset] of endOffsets) {
    const position = committed.get(partition) ?? 0;
    const before = killed.offsets(partition);
    const after = resumed.offsets(partition);
    check.commitsLost += Math.max(0, (killed.committed.get(partition) ?? 0) - position);
    for (let offset = 0; offset < endOffset; offset++) {
      const isCommitted = offset < position;
      if (!isCommitted && before.has(offset)) check.pastCommit += 1;
      if (isCommitted && after.has(offset)) check.beforeCommit += 1;
      if (before.has(offset) && after.has(offset)) check.readAgain += 1;
      if (!(isCommitted ? before : after).has(offset)) check.lost += 1;
    }
  }
  return check;
}

export function isPassed(check: ResumeCheck): boolean {
  const { commitsLost, pastCommit, beforeCommit, readAgain, lost } = check;
  return commitsLost + beforeCommit + lost === 0 && readAgain === pastCommit;
}
