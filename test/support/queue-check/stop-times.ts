/** When the process did not run, in ascending order: leases stand still then. */
export class StopTimes {
  readonly #stops: { readonly startMs: number; endMs: number }[] = [];

  get count(): number {
    return this.#stops.length;
  }

  stop(atMs: number): void {
    this.#stops.push({ startMs: atMs, endMs: Infinity });
  }

  /** Does nothing when it runs. */
  end(atMs: number): void {
    const last = this.#stops.at(-1);
    if (last !== undefined && last.endMs === Infinity) last.endMs = atMs;
  }

  /** How much of the time between the two it ran. */
  awakeMs(fromMs: number, toMs: number): number {
    let awakeMs = toMs - fromMs;
    for (let at = this.#stops.length - 1; at >= 0; at--) {
      const { startMs, endMs } = this.#stops[at] ?? { startMs: 0, endMs: 0 };
      if (endMs <= fromMs) break;
      awakeMs -= Math.max(0, Math.min(endMs, toMs) - Math.max(startMs, fromMs));
    }
    return awakeMs;
  }
}
