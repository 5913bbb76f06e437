/** Notices destination logs that are not behind, and yet sync nothing of what they got. */
import type { Outlet } from './outlet.ts';

/** Beyond what a busy disk with many destinations takes for a round of syncs. */
const SLOW_MS = 5000;

interface Sight {
  readonly syncedPosition: number;
  /** Of the monotonic clock. */
  readonly sinceMs: number;
}

export class SlowOutlets {
  /** Those that had something on its way at the last look, and since when nothing of it was synced. */
  #sights = new Map<Outlet, Sight>();

  /** Has those say so that have synced nothing for long. @returns whether there is a new one */
  look(outlets: Iterable<Outlet>, nowMs: number): boolean {
    const sights = new Map<Outlet, Sight>();
    let isNew = false;
    for (const outlet of outlets) {
      if (outlet.isSettled) continue;
      const { syncedPosition } = outlet;
      const before = this.#sights.get(outlet);
      const isSame = before?.syncedPosition === syncedPosition;
      const sight = isSame ? before : { syncedPosition, sinceMs: nowMs };
      sights.set(outlet, sight);
      if (nowMs - sight.sinceMs < SLOW_MS || outlet.lastError !== null) continue;
      outlet.lastError = new Error(`nothing was synced there for ${SLOW_MS / 1000} s`);
      isNew = true;
    }
    this.#sights = sights;
    return isNew;
  }
}
