/** When the process did not run: leases stand still then. */
interface Stop {
  readonly startMs: number;
  readonly endMs: number;
}

export class StopTimes {
  readonly #stops: Stop[] = [];
  /** Ascending and apart; null when more came since. */
  #merged: Stop[] | null = null;

  get count(): number {
    return this.#stops.length;
  }

  /** Stops may overlap, and come in any order. */
  add(startMs: number, endMs: number): void {
    this.#stops.push({ startMs, endMs });
    this.#merged = null;
  }

  /** How much of the time between the two it ran. */
  awakeMs(fromMs: number, toMs: number): number {
    this.#merged ??= merge(this.#stops);
    let awakeMs = toMs - fromMs;
    for (let at = this.#merged.length - 1; at >= 0; at--) {
      const { startMs, endMs } = this.#merged[at] ?? { startMs: 0, endMs: 0 };
      if (endMs <= fromMs) break;
      awakeMs -= Math.max(0, Math.min(endMs, toMs) - Math.max(startMs, fromMs));
    }
    return awakeMs;
  }
}

function merge(stops: readonly Stop[]): Stop[] {
  const merged: Stop[] = [];
  for (const stop of stops.toSorted((one, other) => one.startMs - other.startMs)) {
    const last = merged.at(-1);
    if (last === undefined || stop.startMs > last.endMs) merged.push(stop);
    else merged.splice(-1, 1, { ...last, endMs: Math.max(last.endMs, stop.endMs) });
  }
  return merged;
}
