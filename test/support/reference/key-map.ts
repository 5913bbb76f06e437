/** The slow twin of `KeyMap`: a `Map`, and a queue that says how far from home keys would lie. */
const DISTANCE_MAX = 127;
const PLACE_MAX = 2 ** 32 - 1;

export type KeyLanes = readonly [first: number, second: number, third: number];

export class ReferenceKeyMap {
  readonly #offsets = new Map<string, number>();
  readonly #homes: number[] = [];
  readonly #slots: number;
  readonly #firstOffset: number;

  constructor(slots: number, firstOffset: number) {
    this.#slots = slots;
    this.#firstOffset = firstOffset;
  }

  get count(): number {
    return this.#offsets.size;
  }

  get(lanes: KeyLanes): number {
    return this.#offsets.get(this.#nameOf(lanes)) ?? -1;
  }

  /** Whether the map must take it, must refuse it, or may do either, for it keeps one aside. */
  expected(lanes: KeyLanes, offset: number): 'taken' | 'refused' | 'either' {
    if (offset - this.#firstOffset + 1 > PLACE_MAX) return 'refused';
    if (this.#offsets.has(this.#nameOf(lanes))) return 'taken';
    if (this.count >= Math.floor((9 * this.#slots) / 10)) return 'refused';
    return this.#farthestWith(this.#homeOf(lanes)) > DISTANCE_MAX ? 'either' : 'taken';
  }

  put(lanes: KeyLanes, offset: number): void {
    const name = this.#nameOf(lanes);
    if (!this.#offsets.has(name)) this.#homes.push(this.#homeOf(lanes));
    this.#offsets.set(name, offset);
  }

  /** Whether some key that is in has a slot beyond the last that it may have. */
  get hasOneAside(): boolean {
    return this.#farthest(this.#homes) > DISTANCE_MAX;
  }

  #farthestWith(home: number): number {
    return this.#farthest([...this.#homes, home]);
  }

  /** Robin Hood is a queue: at each slot the one that waits longest is placed. Twice around, for it is a ring. */
  #farthest(homes: readonly number[]): number {
    const arrivals = new Map<number, number>();
    for (const home of homes) arrivals.set(home, (arrivals.get(home) ?? 0) + 1);
    const waiting: number[] = [];
    let farthest = 0;
    for (let slot = 0; slot < 2 * this.#slots; slot++) {
      for (let left = arrivals.get(slot % this.#slots) ?? 0; left > 0; left--) waiting.push(slot);
      const home = waiting.shift();
      if (home !== undefined) farthest = Math.max(farthest, slot - home);
    }
    return farthest;
  }

  #homeOf([first]: KeyLanes): number {
    return Number((BigInt(first) * BigInt(this.#slots)) >> 32n);
  }

  /** Keys that have it in common are one. */
  #nameOf(lanes: KeyLanes): string {
    return `${this.#homeOf(lanes)} ${lanes[1]} ${Math.floor(lanes[2] / (DISTANCE_MAX + 1))}`;
  }
}
