/** The destination logs of a stream that were met so far, by topic and partition. */
import type { Outlet } from './outlet.ts';

export class Outlets implements Iterable<Outlet> {
  /** By topic, then by partition. */
  readonly #byTopic = new Map<number, (Outlet | undefined)[]>();

  find(topicId: number, partition: number): Outlet | null {
    return this.#byTopic.get(topicId)?.[partition] ?? null;
  }

  add(outlet: Outlet): void {
    const { topicId, partition } = outlet;
    const known = this.#byTopic.get(topicId);
    if (known !== undefined) known[partition] = outlet;
    else {
      const outlets: (Outlet | undefined)[] = [];
      outlets[partition] = outlet;
      this.#byTopic.set(topicId, outlets);
    }
  }

  /** Those of one topic. */
  of(topicId: number): Outlet[] {
    return (this.#byTopic.get(topicId) ?? []).filter((outlet) => outlet !== undefined);
  }

  /** @returns those that were there */
  remove(topicId: number): Outlet[] {
    const gone = this.of(topicId);
    this.#byTopic.delete(topicId);
    return gone;
  }

  *[Symbol.iterator](): Generator<Outlet, void, void> {
    for (const outlets of this.#byTopic.values()) {
      for (const outlet of outlets) if (outlet !== undefined) yield outlet;
    }
  }
}
