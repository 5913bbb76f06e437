/** How many records of a group are with consumers, or on their way there: the bounds of it. */
import { ReadyKind } from './ready-kind.ts';

export class HeldCount {
  readonly #leasedMax: () => number;
  readonly #byKind: [normal: number, doubtful: number, suspect: number] = [0, 0, 0];

  /** @param leasedMax  of the group, as it is now */
  constructor(leasedMax: () => number) {
    this.#leasedMax = leasedMax;
  }

  get total(): number {
    return this.#byKind[0] + this.#byKind[1] + this.#byKind[2];
  }

  /** How many more there may be. */
  get room(): number {
    return this.#leasedMax() - this.total;
  }

  add(kind: ReadyKind): void {
    this.#byKind[kind]++;
  }

  remove(kind: ReadyKind): void {
    this.#byKind[kind]--;
  }

  /** Suspects of crashes are tried one at a time, and few of those that the next crash makes one. */
  readonly allows = (kind: ReadyKind): boolean => {
    if (kind === ReadyKind.normal) return true;
    if (kind === ReadyKind.suspect) return this.#byKind[kind] === 0;
    return this.#byKind[kind] < Math.ceil(Math.sqrt(this.#leasedMax()));
  };
}
