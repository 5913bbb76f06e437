/** What wakes somebody who waits: a member of a group, a worker. */
import { onAbort } from './abort.ts';
import type { Clock } from './clock.ts';

export interface BellWait {
  readonly clock: Clock;
  /** Ends the wait after so long; null = it does not. */
  readonly delayMs: number | null;
  readonly signal: AbortSignal | undefined;
  /** Whether the process stays alive meanwhile. */
  readonly keepsAlive: boolean;
}

export class Bell {
  #wake: (() => void) | null = null;
  #hasRung = false;

  /** There may be something to do. */
  readonly ring = (): void => {
    this.#hasRung = true;
    this.#wake?.();
  };

  /** What rang so far is heard: only what comes from now on ends a wait. */
  silence(): void {
    this.#hasRung = false;
  }

  /** Waits until it rings, the signal aborts, or it is time; not at all when it rang since `silence`. */
  async wait({ clock, delayMs, signal, keepsAlive }: BellWait): Promise<void> {
    if (this.#hasRung) return;
    const timer = delayMs === null ? null : clock.setTimer(this.ring, delayMs);
    const vigil = keepsAlive ? clock.keepAlive?.() : undefined;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#wake = null;
        unwatch?.();
        timer?.cancel();
        vigil?.cancel();
        resolve();
      };
      this.#wake = wake;
      let unwatch: (() => void) | null = null;
      if (signal !== undefined) unwatch = onAbort(signal, wake);
    });
  }
}
