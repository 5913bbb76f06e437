/** Calls of files that wait until they are let go: what `HeldReads` and the like have in common. */
export class HeldCalls {
  /** Files whose calls are held, in the order in which they came. */
  readonly waiting: string[] = [];
  #held: Promise<void> | null = null;
  #release: () => void = () => undefined;

  get areHeld(): boolean {
    return this.#held !== null;
  }

  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#release();
    this.waiting.length = 0;
    this.#held = null;
  }

  /** Of a call that is held: resolves when they are let go. */
  async wait(path: string): Promise<void> {
    this.waiting.push(path);
    await this.#held;
  }
}
