/** What became of records that nobody waits for, until somebody asks. */
export class NoWaitLoss {
  /** First offset after the last of them; 0 = there is none. */
  nextOffset = 0;
  /** What the latest caller who asked for all of them waits for. */
  #askedOffset = 0;
  /** Why records were lost since the last `take`; null when none were. */
  error: Error | null = null;

  added(offset: number): void {
    this.nextOffset = offset + 1;
  }

  /** Somebody waits for everything below `offset`, and hears himself if it is lost. */
  asked(offset: number): void {
    this.#askedOffset = offset;
  }

  /** Everything from `offset` on was refused. */
  refused(offset: number, cause: Error): void {
    const isTold = this.#askedOffset >= this.nextOffset;
    if (this.nextOffset > offset && !isTold) this.error = cause;
    this.nextOffset = 0;
    this.#askedOffset = 0;
  }

  take(): Error | null {
    const { error } = this;
    this.error = null;
    return error;
  }
}
