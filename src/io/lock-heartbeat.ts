/** The sign of life in LOCK, for openers that see neither our process nor our locks. */
import type { Clock, Timer } from '../core/clock.ts';
import { isIoError } from '../core/errors.ts';
import type { Descriptor } from './descriptor.ts';
import { HEARTBEAT_MS } from './lock-owner.ts';
import type { LockOwner } from './lock-owner.ts';
import { readOwner, writeState } from './lock-record.ts';

export interface HeartbeatOptions {
  /** LOCK. */
  readonly descriptor: Descriptor;
  readonly owner: LockOwner;
  readonly clock: Clock;
}

/**
 * Writes the time into LOCK every 5 s until `stop`, or until LOCK names another owner.
 *
 * A beat that fails is not the end: the kernel's locks hold without it, and the next beat may
 * succeed. The first failure warns (`VARVE_LOCK_HEARTBEAT`), because after 30 s without a beat an
 * opener in another container may take the lock over; `verify` would notice that.
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
    const { descriptor, owner, clock } = this.#options;
    try {
      const found = await readOwner(descriptor);
      if (found?.nonce !== owner.nonce) return; // Taken over: nothing in LOCK is ours any more.
      const state = { nonce: owner.nonce, heartbeatAtMs: clock.now(), released: false };
      if (!(await writeState(descriptor, state))) this.#warn('only a part of it was written');
    } catch (error) {
      if (!isIoError(error)) throw error;
      this.#warn(error.message);
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
