/**
 * Positions that transactions are committing. Nobody else can take a partition over, or set it back,
 * before it is known what came of them: it would begin at the position before.
 */

interface Secured {
  readonly id: string;
  readonly partition: number;
  readonly ended: Promise<void>;
}

export class SecuredPositions {
  readonly #all = new Set<Secured>();

  /** @param ended  resolves, and never rejects, when the transaction has ended */
  add(id: string, partitions: Iterable<number>, ended: Promise<void>): void {
    const own = Array.from(partitions, (partition) => ({ id, partition, ended }));
    for (const each of own) this.#all.add(each);
    const forget = (): void => {
      for (const each of own) this.#all.delete(each);
    };
    void ended.then(forget);
  }

  /**
   * The end of those that there are now.
   *
   * @param partitions  null = all of the group
   * @returns null = there is none
   */
  of(id: string, partitions: readonly number[] | null): Promise<void> | null {
    if (this.#all.size === 0) return null;
    const ends: Promise<void>[] = [];
    for (const each of this.#all) {
      if (each.id !== id) continue;
      if (partitions === null || partitions.includes(each.partition)) ends.push(each.ended);
    }
    return ends.length === 0 ? null : Promise.all(ends).then(() => undefined);
  }
}
