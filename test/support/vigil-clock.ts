/** A clock of tests that counts who keeps the process alive. */
import { ManualClock, type Timer } from '../../src/core/clock.ts';

export class VigilClock extends ManualClock {
  /** How many hold it now. */
  vigilCount = 0;

  keepAlive(): Timer {
    this.vigilCount++;
    let isHeld = true;
    const cancel = (): void => {
      if (isHeld) this.vigilCount--;
      isHeld = false;
    };
    return { cancel };
  }
}
