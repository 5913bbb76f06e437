/**
 * What a `power-writer` process said before the power was cut: all that the oracle knows.
 *
 * Everything counts that was said, also what the parent read later: a line that is in the pipe was
 * written before the process was stopped, and so before the copy of its disk began.
 */

export class Testimony {
  readonly seed: number;
  /** Start offset when the log was opened last: it is durable, and only grows. */
  startOffset = 0;
  /** No record at or above was ever submitted. */
  triedEnd = 0;
  /** Everything below was acknowledged at level `sync`. */
  syncedEnd = 0;
  /** Everything below was acknowledged at some level: a kill alone would keep it. */
  writtenEnd = 0;
  /** Acknowledgements at level `sync`. */
  ackCount = 0;
  /** Appends that were acknowledged though called after a sync had failed. */
  lateAckCount = 0;
  /** Appends that were rejected because the writer had failed. */
  failedCount = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Takes in the output of a process, whose last line may be cut. */
  hear(said: string): void {
    for (const line of said.slice(0, said.lastIndexOf('\n') + 1).split('\n')) {
      if (line !== '') this.#hearLine(line);
    }
  }

  /** What was found is what there is from now on. */
  settle(endOffset: number): void {
    this.triedEnd = endOffset;
    this.syncedEnd = endOffset;
    this.writtenEnd = endOffset;
  }

  #hearLine(line: string): void {
    const [what = '', number = ''] = line.split(' ');
    const offset = Number(number);
    if (!Number.isSafeInteger(offset)) throw new Error(`a writer said ${line}`);
    if (what === 'open') this.startOffset = Math.max(this.startOffset, offset);
    else if (what === 'try') this.triedEnd = Math.max(this.triedEnd, offset);
    else if (what === 'failed') this.failedCount++;
    else if (what === 'late') this.lateAckCount++;
    else this.#hearAck(what, offset);
  }

  #hearAck(level: string, endOffset: number): void {
    this.writtenEnd = Math.max(this.writtenEnd, endOffset);
    if (level !== 'sync') return;
    this.syncedEnd = Math.max(this.syncedEnd, endOffset);
    this.ackCount++;
  }
}
