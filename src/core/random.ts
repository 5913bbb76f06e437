/** Randomness as a seam: ids in production, reproducible schedules in tests. */

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** The operating system's randomness. */
export const systemRandom: Random = {
  next() {
    const words = crypto.getRandomValues(new Uint32Array(2));
    const high = (words[0] ?? 0) >>> 5; // 27 bits
    const low = (words[1] ?? 0) >>> 6; // 26 bits
    return (high * 2 ** 26 + low) / 2 ** 53;
  },
};

/**
 * A reproducible generator (mulberry32) for tests and simulations. Not for ids in production:
 * it has 32 bits of state.
 */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** An integer in [0, bound). */
export function randomBelow(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}

/** A random id of 53 bits, never 0: fits a u64 field and a plain number alike. */
export function randomId(random: Random): number {
  return randomBelow(random, Number.MAX_SAFE_INTEGER) + 1;
}
