/** The sign of life in LOCK, for openers that see neither our process nor our locks. */
import type { Clock, Timer } from '../core/clock.ts';
import { isStoreError } from '../core/errors.ts';
import type { Descriptor } from './descriptor.ts';
import { HEARTBEAT_MS } from './lock-owner.ts';
import type { LockOwner } from './lock-owner.ts';
import { writeState } from './lock-record.ts';

export interface HeartbeatOptions {
  /** LOCK. */
  readonly descriptor: Descriptor;
  readonly owner: LockOwner;
  readonly clock: Clock;
  /** @throws LockedError when LOCK is another file, or gone, or another owner's */
  readonly verify: () => Promise<void>;
  /** It is: somebody took it over, or may do so, and the beats have ended. */
  readonly onLost: () => void;
}

/**
 * Writes the time into LOCK every 5 s until `stop`, or until LOCK is not the owner's any more: also
 * when the directory was deleted under him, for what he writes then nobody will ever find.
 *
 * A beat that fails is not the end: the kernel's locks hold without it, and the next beat may
 * succeed. The first failure warns (`VARVE_LOCK_HEARTBEAT`), because after 30 s without a beat an
 * opener in another container may take the lock over. The beat that finds that tells the owner.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | null = null;
  #beating: Promise<void> = Promise.resolve();
  #isStopped = false;
  #hasWarned = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Waits for a beat in flight. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#beating;
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(() => {
      this.#beating = this.#beat();
    }, HEARTBEAT_MS);
  }

  async #beat(): Promise<void> {
    const { descriptor, owner, clock, verify, onLost } = this.#options;
    try {
      await verify();
      const state = { nonce: owner.nonce, heartbeatAtMs: clock.now(), released: false };
      if (!(await writeState(descriptor, state))) this.#warn('only a part of it was written');
    } catch (error) {
      if (isStoreError(error, 'ERR_VARVE_LOCKED')) {
        if (!this.#isStopped) onLost();
        return;
      }
      this.#warn(error instanceof Error ? error.message : String(error));
    }
    if (!this.#isStopped) this.#schedule();
  }

  #warn(why: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { path } = this.#options.descriptor;
    process.emitWarning(`no heartbeat in ${path}: ${why}`, {
      code: 'VARVE_LOCK_HEARTBEAT',
      detail: 'Other containers and machines may take the lock over after 30 s.',
    });
  }
}
