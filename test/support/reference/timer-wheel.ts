/** The slow twin of `TimerWheel`: what is due when, in a map, looked through for each answer. */
export const TICK_MS = 8;

export class ReferenceWheel {
  /** The tick that each is handed out at, if time gets there. */
  readonly due = new Map<number, number>();
  #tick = 0;

  /** Whether it was taken: not what is in already. */
  insert(slot: number, timeMs: number): boolean {
    if (this.due.has(slot)) return false;
    this.due.set(slot, Math.max(Math.ceil(timeMs / TICK_MS), this.#tick + 1));
    return true;
  }

  remove(slot: number): boolean {
    return this.due.delete(slot);
  }

  /** Time goes on; what is inserted from here on comes later. */
  begin(nowMs: number): void {
    this.#tick = Math.max(this.#tick, Math.floor(nowMs / TICK_MS));
  }

  /** Takes a slot out that was handed out; false if another had to come first, or it is not due. */
  handOut(slot: number): boolean {
    const tick = this.due.get(slot);
    if (tick === undefined || tick > this.#tick || tick > this.firstTick()) return false;
    return this.due.delete(slot);
  }

  /** Whether all that is due was handed out. */
  isDone(): boolean {
    return this.firstTick() > this.#tick;
  }

  firstTick(): number {
    return Math.min(...this.due.values(), Infinity);
  }

  rebase(nowMs: number, times: (slot: number) => number): void {
    this.#tick = Math.floor(nowMs / TICK_MS);
    const slots = [...this.due.keys()];
    this.due.clear();
    for (const slot of slots) this.insert(slot, times(slot));
  }
}
