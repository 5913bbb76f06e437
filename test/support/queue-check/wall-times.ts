/** What the wall clock of the process said when: it may be set, and begins anew with each process. */
interface Setting {
  readonly atMs: number;
  /** What it is ahead of the clock that all processes share. */
  readonly offsetMs: number;
}

export class WallTimes {
  /** Ascending. */
  readonly #settings: Setting[] = [];
  count = 0;

  /** A process begins, with a clock that is right. */
  begin(atMs: number): void {
    this.#settings.push({ atMs, offsetMs: 0 });
  }

  set(atMs: number, offsetMs: number): void {
    this.#settings.push({ atMs, offsetMs });
    this.count++;
  }

  at(atMs: number): number {
    const setting = this.#settings.findLast((one) => one.atMs <= atMs);
    return atMs + (setting?.offsetMs ?? 0);
  }

  /** The latest that it said between the two. */
  highest(fromMs: number, toMs: number): number {
    let highestMs = this.at(toMs);
    let untilMs = toMs;
    for (let at = this.#settings.length - 1; at >= 0; at--) {
      const { atMs, offsetMs } = this.#settings[at] ?? { atMs: 0, offsetMs: 0 };
      if (atMs <= toMs) highestMs = Math.max(highestMs, untilMs + offsetMs);
      if (atMs <= fromMs) break;
      untilMs = Math.min(untilMs, atMs);
    }
    return highestMs;
  }
}
