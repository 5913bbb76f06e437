/** How long the others wait for one destination log. */
import type { Clock } from '../core/clock.ts';

export const PATIENCE_MS = 250;

/** Waits for work that never rejects, but not for long. @returns whether it has ended */
export function patiently(clock: Clock, work: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(() => resolve(false), PATIENCE_MS);
    const end = (): void => {
      timer.cancel();
      resolve(true);
    };
    void work.then(end);
  });
}
